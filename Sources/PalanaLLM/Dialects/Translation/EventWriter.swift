import NIOCore
import PalanaCore

/// Writes the events of a translated stream.
struct EventWriter {
  private(set) var buffer = ByteBuffer()

  /// An event of anthropic-messages, which has its type twice.
  mutating func message(_ type: String, _ members: JSONObject) {
    var value: JSONObject = ["type": .string(type)]
    for (name, member) in members { value[name] = member }
    buffer.writeString("event: \(type)\n")
    data(.object(value))
  }

  mutating func data(_ value: JSONValue) {
    buffer.writeString("data: ")
    buffer.writeBytes(value.encoded())
    buffer.writeString("\n\n")
  }

  /// As it is; for what is no JSON.
  mutating func raw(_ text: String) { buffer.writeString(text) }

  mutating func add(_ other: ByteBuffer) { buffer.writeImmutableBuffer(other) }
}
