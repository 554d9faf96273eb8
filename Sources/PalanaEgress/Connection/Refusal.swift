import NIOCore
import PalanaPolicy

/// Why a request does not pass, with a sentence for the agent.
struct Refusal: Error {
  let reason: DenialReason
  let explanation: String
  /// Whether the connection cannot be used on.
  let closes: Bool
  /// What is written down with it: facts for operators that the agent is not told.
  var details: [String: String] = [:]
  /// An answer in the words of Git's protocol, with status 200, instead of the usual one.
  var report: ByteBuffer?

  /// The status of the answer.
  var status: Int { report == nil ? reason.status : 200 }

  init(_ reason: DenialReason, _ explanation: String) {
    self.reason = reason
    self.explanation = explanation
    closes =
      switch reason {
      case .malformedRequest, .nameMismatch, .headersTooLarge, .requestTimeout, .protocolNotSupported: true
      default: false
      }
  }

  init(_ error: HeadError) {
    switch error {
    case .tooLarge: self.init(.headersTooLarge, "the request head is too large")
    case .malformed(let text): self.init(.malformedRequest, text.description)
    }
  }
}
