import PalanaControlAPI
import PalanaCore

/// Secrets of agents. Values go from the body into `Redacted` and on to the secret store.
enum SecretRoutes {
  static func handlers(_ secrets: SecretService) -> RouteHandlers {
    [
      .addSecret: { call in
        let request = try await body(SecretAddRequest.self, call)
        return try call.answer(await secrets.add(request, to: call.name, owner: call.owner, by: call.caller))
      },
      .listSecrets: { call in
        try call.answer(await secrets.list(of: call.name, owner: call.owner, by: call.caller))
      },
      .rotateSecret: { call in
        let request = try await body(SecretRotateRequest.self, call)
        return try call.answer(
          await secrets.rotate(
            call.parameter("secret"), request, of: call.name, owner: call.owner, by: call.caller))
      },
      .bindSecret: { call in
        let request = try await call.body(SecretBindRequest.self)
        return try call.answer(
          await secrets.bind(call.parameter("secret"), request, of: call.name, owner: call.owner, by: call.caller))
      },
      .removeSecret: { call in
        try call.answer(
          await secrets.remove(call.parameter("secret"), of: call.name, owner: call.owner, by: call.caller))
      },
    ]
  }

  private static func body<Value: Decodable>(_ type: Value.Type, _ call: RouteCall) async throws -> Value {
    do {
      return try await JSONBody.decode(type, from: call.request, limit: call.limits.secretBodyBytes)
    } catch let error as PalanaError {
      // What is wrong with a body may be said by quoting it. Not with this one.
      throw PalanaError(
        error.code, "the body is not a valid \(type)",
        hint: "values is an object of texts; known fields: name, access, values, hosts, places, placeholder, require, aws, tokenHosts")
    }
  }
}
