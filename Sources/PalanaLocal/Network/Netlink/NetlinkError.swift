import Glibc
import PalanaCore

/// What the kernel refused.
struct NetlinkError: Error, Sendable, CustomStringConvertible {
  /// A positive `errno`.
  let code: Int32
  /// What was asked, in a few words.
  let operation: String
  /// The kernel's own sentence; often empty.
  let detail: String
  /// A refusal of ours, found before the kernel was asked; the other fields are empty then.
  let refusal: PalanaError?

  init(_ code: Int32, _ operation: String, detail: String = "") {
    self.code = code
    self.operation = operation
    self.detail = detail
    refusal = nil
  }

  init(_ refusal: PalanaError) {
    code = 0
    operation = ""
    detail = ""
    self.refusal = refusal
  }

  var description: String {
    if let refusal { return refusal.description }
    let reason = unsafe String(cString: strerror(code))
    return detail.isEmpty ? "\(operation): \(reason)" : "\(operation): \(reason) (\(detail))"
  }

  /// The same for people.
  var asPalanaError: PalanaError {
    if let refusal { return refusal }
    return switch code {
    case EPERM, EACCES:
      PalanaError(
        .denied, "the kernel refused to \(self)",
        hint: "the agents' network needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)")
    case EXFULL:
      PalanaError(.conflict, "the bridge has no free port: one machine holds 1,023 agents at most")
    default: PalanaError(.failed, "the kernel refused to \(self)")
    }
  }
}
