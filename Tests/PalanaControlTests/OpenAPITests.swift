import NIOHTTP1
import PalanaAPI
import PalanaControlAPI
import PalanaCore
import Subprocess
import Testing

@testable import PalanaControl

@Suite struct OpenAPITests {
  let document = OpenAPIDocument.make(version: "0.1.0")

  @Test func everyRouteIsInTheDocumentAndNothingElse() throws {
    var documented: Set<String> = []
    for (path, item) in try #require(document["paths"]?.object) {
      for (verb, operation) in try #require(item.object) {
        documented.insert("\(verb.uppercased()) \(path) \(operation["operationId"]?.string ?? "")")
      }
    }
    #expect(documented == Set(Route.all.map { "\($0.verb.rawValue) \($0.path) \($0.operation.rawValue)" }))
  }

  @Test func everySchemaThatIsNamedExistsAndEveryOneIsUsed() throws {
    let known = Set(try #require(document["components"]?["schemas"]?.object).keys)
    var used: Set<String> = []
    func walk(_ value: JSONValue) {
      if let reference = value["$ref"]?.string { used.insert(String(reference.split(separator: "/").last ?? "")) }
      for member in value.object ?? JSONObject() { walk(member.value) }
      for item in value.array ?? [] { walk(item) }
    }
    walk(document)
    #expect(used.subtracting(known).isEmpty)
    #expect(known.subtracting(used).isEmpty)
  }

  /// Every operation is called once with success, and its answer held against its schema.
  @Test func everyOperationAnswersAsDocumented() async throws {
    try await ControlWorld.run { [document] world in
      let check = SchemaCheck(document: document)
      var called: Set<PalanaControlAPI.Operation> = []
      for step in OperationSamples.all {
        if let prepare = step.prepare { try await prepare(world) }
        let answer = try await world.call(
          step.operation, step.parameters, query: step.query, body: step.body, bytes: step.bytes, headers: step.headers)
        let route = step.operation.route
        #expect(answer.status == route.success, "\(route.operation): \(answer.text.prefix(300))")
        called.insert(step.operation)
        let type = answer.headers.first(name: "content-type")
        #expect(type == route.response.mediaType, "\(route.operation)")
        switch route.response {
        case .json(let name):
          let problems = check.problems(try answer.json, Schema.reference(name))
          #expect(problems.isEmpty, "\(route.operation): \(problems)")
        case .lines(let name):
          for line in try answer.lines {
            #expect(check.problems(line, Schema.reference(name)).isEmpty, "\(answer.text)")
          }
          #expect(!answer.bytes.isEmpty, "\(route.operation)")
        case .document: #expect(try answer.json == document)
        case .metrics: #expect(answer.text.hasPrefix("# HELP palana_build_info"))
        case .none, .tar, .frames, .manifest: break
        }
      }
      #expect(called == Set(PalanaControlAPI.Operation.allCases))
    }
  }

  /// A nonsense request to every route is answered with a documented status and the error envelope.
  @Test func everyRefusalIsDocumented() async throws {
    try await ControlWorld.run { [document] world in
      let check = SchemaCheck(document: document)
      for route in Route.all where route.access != .anyone {
        let parameters = Dictionary(uniqueKeysWithValues: route.pathParameters.map { ($0, "nothing") })
        let answer = try await world.call(
          route.operation, as: .alice, parameters, query: [("nonsense", "1")],
          body: route.request == .none ? nil : "{")
        #expect(OpenAPIDocument.statuses(of: route).contains(answer.status), "\(route.operation): \(answer.status)")
        #expect(answer.status >= 400, "\(route.operation)")
        #expect(check.problems(try answer.json, Schema.reference("Error")).isEmpty, "\(answer.text)")
        let wrong = try await world.send(
          "PATCH", "http+unix://\(PercentEncoding.encode(world.socket(.alice)))", route.path(parameters))
        // Nobody is a sender without a token.
        #expect(wrong.status == (route.access == .sender ? 401 : 404))
      }
    }
  }

  /// The reference validator, where it is installed.
  @Test func theReferenceValidatorAcceptsTheDocument() async throws {
    let script = """
      import sys, json
      try:
          from openapi_spec_validator import validate
      except ImportError:
          print("skipped"); sys.exit(0)
      validate(json.load(sys.stdin)); print("valid")
      """
    guard
      let result = try? await Subprocess.run(
        .name("python3"), arguments: ["-c", script],
        input: .array(document.encoded()), output: .string(limit: 4096), error: .string(limit: 16_384))
    else { return }
    let output = result.standardOutput.split(separator: "\n").last.map(String.init)
    #expect(output == "valid" || output == "skipped", "\(result.standardError)")
  }
}
