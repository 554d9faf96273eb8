import PalanaCore

/// Objects of one kind as values of a type: what is not in the type is not read, and what is written is what the type encodes.
package struct KubeKind<Content: Codable & Sendable>: Sendable {
  package let resource: KubeResource

  package init(_ resource: KubeResource, as type: Content.Type = Content.self) { self.resource = resource }

  /// Reads an object.
  /// - Throws: ``KubeError`` of kind `malformed`, with the member that does not fit.
  package func content(of object: KubeObject) throws(KubeError) -> Content {
    do throws(PalanaError) { return try StrictDecoder.decode(Content.self, from: object.json, passesUnknown: true) } catch {
      throw KubeError(.malformed, "the \(resource.kind) \(object.key) cannot be read: \(error.message)")
    }
  }

  package func object(of content: Content) throws(KubeError) -> KubeObject {
    do throws(PalanaError) { return KubeObject(try JSONValue(encoding: content)) } catch {
      throw KubeError(invalid: "a \(resource.kind) cannot be written: \(error.message)")
    }
  }
}
