import NIOCore
import NIOSSL

/// What an attack came to, as the agent and the upstream saw it.
extension Attack {
  /// Refused, and nothing of it reached the upstream. The reason counts where the gateway promises reasons.
  /// - Parameter mayRestate: a gateway that is not strict may take it in one reading.
  func refused(_ answer: Answer, _ reasons: String..., mayArrive: Bool = false, mayRestate: Bool = false) -> Verdict {
    if let verdict = passedOn(answer, mayRestate) { return verdict }
    if target.features.contains(.reasons) {
      guard let reason = answer.reason, reasons.contains(reason) else {
        return .broken("refused with \(answer.status) \(answer.reason ?? "without a reason"), not \(reasons.joined(separator: " or "))")
      }
    }
    return nothingArrived(mayArrive)
  }

  /// The same for an attack that may also end without an answer: by the end of the stream or the connection. Silence is neither.
  func refusedOrClosed(
    mayArrive: Bool = false, mayRestate: Bool = false, _ body: () async throws -> Answer
  ) async throws -> Verdict {
    do {
      if let verdict = passedOn(try await body(), mayRestate) { return verdict }
    } catch let refused as Refused {
      if let verdict = passedOn(refused.answer, mayRestate) { return verdict }
    } catch  where Self.isEnd(error) {}
    return nothingArrived(mayArrive)
  }

  /// Answered by the upstream, which got the request exactly once.
  func passed(_ answer: Answer, status: Int = 200) -> Verdict {
    guard answer.status == status else { return .broken("answered \(answer.status) \(answer.reason ?? "")") }
    return arrived.count == 1 ? .held : .broken("reached the upstream \(arrived.count) times")
  }

  /// Whether an error says that the other side ended the stream or the connection.
  static func isEnd(_ error: any Error) -> Bool {
    switch error {
    case is Ended, is HTTP2Wire.Reset, is ChannelError, is IOError, is NIOSSLError, is BoringSSLError: true
    default: false
    }
  }

  /// Nil: it was refused.
  private func passedOn(_ answer: Answer, _ mayRestate: Bool) -> Verdict? {
    guard answer.status < 400 else { return nil }
    guard mayRestate, !target.features.contains(.strict) else {
      return .broken("answered \(answer.status): \(answer.head.prefix(120).debugDescription)")
    }
    return restated(1)
  }

  /// What a gateway that is not strict sent on: no more requests than were answered, each to a host that is allowed, and a value in
  /// no other place than its own. That each has one reading only is an invariant of all cases.
  func restated(_ answers: Int) -> Verdict {
    guard arrived.count <= answers else { return .broken("\(answers) answers, and \(arrived.count) requests reached the upstream") }
    for request in arrived {
      guard request.values("host").allSatisfy({ $0.hasPrefix("\(allowed):") || $0.hasPrefix("\(other):") }) else {
        return .broken("sent on with the Host \(request.values("host"))")
      }
      guard let secret = target.secret else { continue }
      let values = request.values("authorization").joined()
      guard request.head.ranges(of: secret.value).count == values.ranges(of: secret.value).count, values.ranges(of: secret.value).count <= 1
      else { return .broken("the value stands in \(request.head.prefix(200).debugDescription)") }
    }
    return .notApplicable("the gateway does not claim to be strict; what it sent on had one reading")
  }

  private func nothingArrived(_ mayArrive: Bool) -> Verdict {
    mayArrive || arrived.isEmpty ? .held : .broken("reached the upstream: \(arrived[0].head.prefix(120).debugDescription)")
  }
}
