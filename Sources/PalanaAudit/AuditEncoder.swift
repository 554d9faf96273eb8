import PalanaCore

/// Writes an event as one line of JSON, by hand: on the data path a general encoder costs more than the decision.
///
/// The output is canonical: fixed order of members, one spelling for every value, every text bounded. Encoding a decoded line
/// gives the same bytes, which is what lets a chain be verified after an export went through other tools.
package enum AuditEncoder {
  /// Bounds of texts in bytes of UTF-8, the mark of the cut included.
  package enum Bound {
    package static let path = 2048
    package static let host = 512
    package static let word = 128
    package static let rule = 256
    package static let value = 1024
    package static let secrets = 64
    package static let details = 32
  }

  /// Appends the event without its place in the chain, `{"time":…}`, without a line break.
  package static func encode(_ event: AuditEvent, into buffer: inout [UInt8]) {
    put("{\"time\":\"", &buffer)
    event.time.write(into: &buffer)
    put("\",\"component\":\"", &buffer)
    put(event.component.rawValue, &buffer)
    put("\",\"action\":", &buffer)
    text(event.action, Bound.word, &buffer)
    put(",\"decision\":\"", &buffer)
    put(event.decision.rawValue, &buffer)
    put("\"", &buffer)
    if event.severity != .normal {
      put(",\"severity\":\"", &buffer)
      put(event.severity.rawValue, &buffer)
      put("\"", &buffer)
    }
    optional(",\"reason\":", event.reason, Bound.word, &buffer)
    optional(",\"rule\":", event.rule, Bound.rule, &buffer)
    optional(",\"policyVersion\":", event.policyVersion, Bound.word, &buffer)
    if let agent = event.agent { encode(agent, into: &buffer) }
    optional(",\"actor\":", event.actor?.raw, Bound.value, &buffer)
    if let source = event.source {
      put(",\"source\":{\"ip\":\"", &buffer)
      put(source.ip.description, &buffer)
      put("\",\"port\":", &buffer)
      integer(Int64(source.port), &buffer)
      put("}", &buffer)
    }
    if let request = event.request { encode(request, into: &buffer) }
    if let response = event.response {
      put(",\"response\":{\"status\":", &buffer)
      integer(Int64(response.status), &buffer)
      put(",\"bytes\":", &buffer)
      integer(response.bytes, &buffer)
      put("}", &buffer)
    }
    if let sent = event.bytesSent {
      put(",\"bytesSent\":", &buffer)
      integer(sent, &buffer)
    }
    if let duration = event.durationMs {
      put(",\"durationMs\":", &buffer)
      milliseconds(duration, &buffer)
    }
    put(",\"secrets\":[", &buffer)
    for (index, name) in event.secrets.prefix(Bound.secrets).enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: ",")) }
      text(name, Bound.word, &buffer)
    }
    put("]", &buffer)
    if !event.details.isEmpty { encode(event.details, into: &buffer) }
    if let origin = event.origin { encode(origin, into: &buffer) }
    put("}", &buffer)
  }

  /// Appends `,"origin":{…}`, which is the last member of an event.
  package static func encode(_ origin: AuditEvent.Origin, into buffer: inout [UInt8]) {
    put(",\"origin\":{\"account\":", &buffer)
    text(origin.account, Bound.value, &buffer)
    put(",\"pod\":", &buffer)
    text(origin.pod, Bound.rule, &buffer)
    put(",\"chain\":", &buffer)
    text(origin.chain, Bound.word, &buffer)
    put(",\"seq\":", &buffer)
    integer(origin.seq, &buffer)
    put("}", &buffer)
  }

  private static func encode(_ agent: AuditEvent.AgentRef, into buffer: inout [UInt8]) {
    put(",\"agent\":{\"id\":\"", &buffer)
    put(agent.id.text, &buffer)
    put("\",\"name\":", &buffer)
    text(agent.name, Bound.word, &buffer)
    put(",\"owner\":", &buffer)
    text(agent.owner.raw, Bound.value, &buffer)
    put("}", &buffer)
  }

  private static func encode(_ request: AuditEvent.Request, into buffer: inout [UInt8]) {
    put(",\"request\":{\"id\":", &buffer)
    text(request.id, Bound.word, &buffer)
    optional(",\"method\":", request.method, Bound.word, &buffer)
    optional(",\"scheme\":", request.scheme, Bound.word, &buffer)
    optional(",\"host\":", request.host, Bound.host, &buffer)
    if let port = request.port {
      put(",\"port\":", &buffer)
      integer(Int64(port), &buffer)
    }
    optional(",\"path\":", request.path, Bound.path, &buffer)
    optional(",\"protocol\":", request.protocol, Bound.word, &buffer)
    put("}", &buffer)
  }

  private static func encode(_ details: [String: String], into buffer: inout [UInt8]) {
    put(",\"details\":{", &buffer)
    for (index, (key, value)) in details.sorted(by: { $0.key < $1.key }).prefix(Bound.details).enumerated() {
      if index > 0 { buffer.append(UInt8(ascii: ",")) }
      text(key, Bound.word, &buffer)
      buffer.append(UInt8(ascii: ":"))
      text(value, Bound.value, &buffer)
    }
    put("}", &buffer)
  }
}

/// The spelling of single values.
extension AuditEncoder {
  private static func put(_ text: String, _ buffer: inout [UInt8]) { buffer.append(contentsOf: text.utf8) }

  private static func optional(_ name: String, _ value: String?, _ bound: Int, _ buffer: inout [UInt8]) {
    guard let value else { return }
    put(name, &buffer)
    text(value, bound, &buffer)
  }

  /// `value` in quotes; over `bound` bytes it is cut at a character and ends in a mark that says how long it was.
  static func text(_ value: String, _ bound: Int, _ buffer: inout [UInt8]) {
    let length = value.utf8.count
    guard length > bound else { return JSONText.append(value, to: &buffer) }
    let mark = "…(\(length) bytes)"
    var end = value.utf8.index(value.utf8.startIndex, offsetBy: bound - mark.utf8.count)
    while end > value.utf8.startIndex, value.utf8[end] & 0xc0 == 0x80 { end = value.utf8.index(before: end) }
    JSONText.append(String(value[..<end]) + mark, to: &buffer)
  }

  static func integer(_ value: Int64, _ buffer: inout [UInt8]) {
    if value < 0 { buffer.append(UInt8(ascii: "-")) }
    var rest = value.magnitude
    let start = buffer.count
    repeat {
      buffer.append(48 + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    buffer[start...].reverse()
  }

  /// Milliseconds with up to three fraction digits; what is no sensible duration becomes 0 or the largest one.
  static func milliseconds(_ value: Double, _ buffer: inout [UInt8]) {
    let micros = value.isNaN ? 0 : Int64(min(max((value * 1000).rounded(), 0), 1e15))
    integer(micros / 1000, &buffer)
    let fraction = micros % 1000
    guard fraction > 0 else { return }
    buffer.append(UInt8(ascii: "."))
    buffer.append(48 + UInt8(fraction / 100))
    if fraction % 100 > 0 { buffer.append(48 + UInt8(fraction / 10 % 10)) }
    if fraction % 10 > 0 { buffer.append(48 + UInt8(fraction % 10)) }
  }
}
