import Foundation
import PalanaAPI
import PalanaCore
import Testing

/// The definitions as they are written out, against a recorded file, which is read in review. `PALANA_RECORD_GOLDEN=1` writes it anew and
/// fails.
@Suite struct CustomResourceDefinitionTests {
  @Test func asRecorded() throws {
    let bytes = JSONValue.array(CustomResourceDefinition.all).encoded(pretty: true) + [10]
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/crds.json")
    if ProcessInfo.processInfo.environment["PALANA_RECORD_GOLDEN"] == "1" {
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: file)
      Issue.record("recorded crds.json: read it and run again")
      return
    }
    #expect(String(decoding: bytes, as: UTF8.self) == (try String(contentsOf: file, encoding: .utf8)))
  }

  /// What a structural schema may not have (`apiextensions.k8s.io/v1`).
  @Test func everySchemaIsStructural() throws {
    func check(_ schema: JSONValue, _ path: String) {
      let isFree = schema["x-kubernetes-preserve-unknown-fields"]?.bool == true
      #expect(schema["type"]?.string != nil || isFree, "\(path) has no type")
      for word in ["const", "$ref", "uniqueItems", "definitions", "patternProperties"] { #expect(schema[word] == nil, "\(path): \(word)") }
      #expect(schema["additionalProperties"]?.bool == nil, "\(path)")
      #expect(schema["additionalProperties"] == nil || schema["properties"] == nil, "\(path)")
      for (name, member) in schema["properties"]?.object ?? JSONObject() { check(member, "\(path).\(name)") }
      if let items = schema["items"] { check(items, "\(path)[]") }
      if schema["type"]?.string == "array" { #expect(schema["items"] != nil, "\(path)") }
    }
    for definition in CustomResourceDefinition.all {
      let version = try #require(definition["spec"]?["versions"]?[0])
      check(try #require(version["schema"]?["openAPIV3Schema"]), definition["metadata"]?["name"]?.string ?? "")
    }
  }
}
