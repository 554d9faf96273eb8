import PalanaControlAPI

/// The daemon itself.
enum SystemRoutes {
  /// What is open to anyone.
  static func open(document: [UInt8]) -> RouteHandlers {
    [
      .health: { call in try call.answer(Health(ok: true)) },
      .openAPI: { _ in JSONAnswer.response(bytes: document) },
    ]
  }

  static func handlers(_ system: SystemService) -> RouteHandlers {
    [
      .whoAmI: { call in try call.answer(system.whoAmI(call.caller)) },
      .status: { call in try call.answer(await system.status(call.caller)) },
      .cluster: { call in try call.answer(system.cluster(call.caller)) },
      .doctor: { call in try call.answer(await system.doctor()) },
      .shutdown: { call in
        try call.answer(await system.shutdown(try await call.body(ShutdownRequest.self), by: call.caller))
      },
    ]
  }
}
