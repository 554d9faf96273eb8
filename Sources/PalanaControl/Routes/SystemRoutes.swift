import PalanaControlAPI

/// The daemon itself.
enum SystemRoutes {
  static func handlers(_ system: SystemService, document: [UInt8]) -> RouteHandlers {
    [
      .health: { call in try call.answer(Health(ok: true)) },
      .openAPI: { _ in JSONAnswer.response(bytes: document) },
      .whoAmI: { call in try call.answer(system.whoAmI(call.caller)) },
      .status: { call in try call.answer(await system.status(call.caller)) },
      .doctor: { call in try call.answer(await system.doctor()) },
      .shutdown: { call in
        try call.answer(await system.shutdown(try await call.body(ShutdownRequest.self), by: call.caller))
      },
    ]
  }
}
