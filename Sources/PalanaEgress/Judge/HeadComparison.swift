import NIOCore
import PalanaCore
import PalanaPolicy

/// Says the difference between the head that came and the head that is to travel, for a proxy that changes heads field by field.
enum HeadComparison {
  /// Framing and connection are the proxy's own: it states them anew.
  private static let ofTheHop: Set<String> = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"]

  /// - Throws: ``Refusal`` when the new head cannot be said in text.
  static func changes(from old: RequestHead, to bytes: ByteBuffer, limits: EgressLimits) throws(Refusal) -> HeadChanges {
    let new: RequestHead
    var generous = limits
    // Credentials are longer than their placeholders.
    generous.headerFields += 8
    generous.requestLineBytes += limits.headerBytes
    do {
      new = try RequestHead(bytes, limits: generous)
    } catch {
      throw Refusal(.malformedRequest, "the request has a form that this data plane does not send on")
    }
    var changes = HeadChanges()
    let before = values(old.fields)
    let after = values(new.fields)
    for name in before.keys.sorted() where after[name] == nil { changes.removed.append(name) }
    for (name, values) in after.sorted(by: { $0.key < $1.key }) where before[name] != values {
      for (number, value) in values.enumerated() {
        changes.set.append(.init(name: name, value: Redacted(try text(value)), appends: number > 0))
      }
    }
    let target = new.fields.array(new.target)
    if target != path(old) { changes.target = Redacted(try text(target)) }
    let host = try? new.fields.single(.host, "several").map { new.fields.text($0.value) }
    if let host, host != (try? old.fields.single(.host, "several").map { old.fields.text($0.value) }) { changes.authority = host }
    return changes
  }

  private static func values(_ fields: HeadFields) -> [String: [[UInt8]]] {
    var result: [String: [[UInt8]]] = [:]
    for field in fields.fields {
      let name = fields.text(field.name).lowercased()
      if !ofTheHop.contains(name) { result[name, default: []].append(fields.array(field.value)) }
    }
    return result
  }

  /// The target without the authority of the absolute form.
  private static func path(_ head: RequestHead) -> [UInt8] {
    let target = head.fields.array(head.target)
    guard target.first != UInt8(ascii: "/"), target.first != UInt8(ascii: "*") else { return target }
    // `http://authority/path`: the path begins at the third slash.
    var slashes = 0
    for (index, byte) in target.enumerated() {
      if byte == UInt8(ascii: "/") { slashes += 1 }
      if slashes == 3 { return Array(target[index...]) }
    }
    return [UInt8(ascii: "/")]
  }

  private static func text(_ bytes: [UInt8]) throws(Refusal) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Refusal(.malformedRequest, "a field that this data plane has to write is not UTF-8")
    }
    return text
  }
}
