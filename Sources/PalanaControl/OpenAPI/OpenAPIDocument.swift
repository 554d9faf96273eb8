import PalanaControlAPI
import PalanaCore

/// The OpenAPI 3.1 document, built from the route table.
enum OpenAPIDocument {
  static func make(version: String) -> JSONValue {
    var paths = JSONObject()
    for route in Route.all {
      var item = paths[route.path]?.object ?? JSONObject()
      item[route.verb.rawValue.lowercased()] = operation(route)
      paths[route.path] = .object(item)
    }
    var schemas = JSONObject()
    let all = ResourceSchemas.all.merging(ActionSchemas.all) { first, _ in first }.merging(LLMSchemas.all) { first, _ in first }
    for name in all.keys.sorted() { schemas[name] = all[name] }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Palana control API", "version": .string(version),
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
        "description": .string(
          "The control API of one machine. On the Unix socket the kernel says who is calling; on TCP a bearer token does. "
            + "Errors have one form. Streams of lines may end in a line with the only member `error`."),
      ],
      "servers": [["url": "/"]], "security": [["token": []], [:]], "paths": .object(paths),
      "components": [
        "schemas": .object(schemas), "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
      ],
    ]
  }

  /// The statuses of a route, success first. Every answer has one of them.
  static func statuses(of route: Route) -> [Int] {
    guard route.access != .anyone else { return [route.success, 400, 403] }
    let common = [400, 401, 403, 404, 409, 413, 500, 503]
    return [route.success] + common
  }

  private static func operation(_ route: Route) -> JSONValue {
    var operation: JSONObject = [
      "operationId": .string(route.operation.rawValue), "summary": .string(route.summary),
    ]
    switch route.access {
    case .anyone: operation["security"] = [[:]]
    case .caller: break
    case .operator: operation["description"] = "Operators only."
    case .sender: operation["description"] = "Parts of the platform only, with a token for this alone."
    }
    let parameters = route.pathParameters.map(pathParameter) + route.query.map(queryParameter) + impersonation(route)
    if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
    if let content = content(route.request) {
      operation["requestBody"] = ["required": true, "content": content]
    }
    var responses = JSONObject()
    for status in statuses(of: route) {
      responses[String(status)] = status == route.success ? success(route) : failure(status)
    }
    operation["responses"] = .object(responses)
    return .object(operation)
  }

  private static func success(_ route: Route) -> JSONValue {
    var response: JSONObject = ["description": "Done."]
    if let content = content(route.response) { response["content"] = content }
    return .object(response)
  }

  private static func failure(_ status: Int) -> JSONValue {
    let texts = [
      400: "What was asked makes no sense.", 401: "Nobody is authenticated.", 403: "Not allowed.",
      404: "There is no such thing, or the caller may not know of it.",
      409: "It exists, was changed meanwhile, or its state forbids it.", 413: "The body is too large.",
      500: "Something went wrong.", 503: "A part of the platform that is needed cannot be reached.",
    ]
    return [
      "description": .string(texts[status] ?? ""),
      "content": ["application/json": ["schema": Schema.reference("Error")]],
    ]
  }

  private static func content(_ payload: Route.Payload) -> JSONValue? {
    guard let mediaType = payload.mediaType else { return nil }
    let schema: JSONValue =
      switch payload {
      case .json(let name), .lines(let name): Schema.reference(name)
      case .manifest: Schema.reference("Manifest")
      case .document: ["type": "object"]
      case .metrics: Schema.text
      // Bytes without a JSON form have an empty schema (OpenAPI 3.1, section 4.8.14.2).
      case .tar, .frames, .none: [:]
      }
    return .object([mediaType: ["schema": schema]] as JSONObject)
  }

  private static func pathParameter(_ name: String) -> JSONValue {
    ["name": .string(name), "in": "path", "required": true, "schema": Schema.text]
  }

  private static func queryParameter(_ query: Route.Query) -> JSONValue {
    let single: JSONValue = ["type": .string(query.kind.rawValue)]
    return [
      "name": .string(query.name), "in": "query", "description": .string(query.summary),
      "schema": query.isRepeated ? Schema.list(of: single) : single,
    ]
  }

  private static func impersonation(_ route: Route) -> [JSONValue] {
    guard route.access != .anyone, route.access != .sender else { return [] }
    return [
      [
        "name": .string(ControlHeader.user), "in": "header", "schema": Schema.text,
        "description": "Raw identity that an operator acts for, with that person's rights.",
      ]
    ]
  }
}
