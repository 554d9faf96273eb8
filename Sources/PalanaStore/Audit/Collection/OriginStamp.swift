import Foundation
import PalanaAudit
import PalanaCore

extension AuditEvent.Origin {
  /// The event's own object with this origin as its last member.
  ///
  /// Every reader of the trail has to see this origin and no other, whatever the sender wrote: so the outcome is read back in each of the
  /// ways in which the trail is read.
  /// - Returns: nil for what is not an event, or says itself where it comes from.
  func stamped(on event: [UInt8]) -> [UInt8]? {
    guard !event.contains(where: { $0 < 32 }), event.last == UInt8(ascii: "}"), (try? UTF8Span(validating: event.span)) != nil,
      case .object(let object)? = try? JSONValue(parsing: event), object["origin"] == nil
    else { return nil }
    var bytes = Array(event.dropLast())
    AuditEncoder.encode(self, into: &bytes)
    bytes.append(UInt8(ascii: "}"))
    guard let line = AuditLine(parsing: bytes.span), let found = line.pod, found.bytes(in: bytes.span) == Array(pod.utf8),
      let read = try? JSONDecoder().decode(AuditEvent.self, from: Data(bytes)), read.origin == self
    else { return nil }
    return bytes
  }
}
