import NIOCore
import PalanaCore

/// What the status of an answer means. The body is looked at for one fixed text only and never quoted.
enum VaultStatus {
  /// - Throws: ``PalanaError``: `denied`, `notFound`, `conflict` (check-and-set), `unreachable` (sealed, standby, overloaded), `failed`.
  static func check(_ answer: VaultServer.Answer) throws(PalanaError) {
    switch answer.status {
    case 200...299: return
    case 403: throw PalanaError(.denied, "the secret store refuses this to Palana's token")
    case 404: throw PalanaError(.notFound, "the secret store has nothing there")
    case 400, 412:
      // The only way that the KV engine tells a lost race from a bad request.
      if answer.body.reveal().readableBytesView.containsText("check-and-set parameter did not match") {
        throw PalanaError(.conflict, "the secret was changed by somebody else", hint: "look at it again and repeat")
      }
      throw PalanaError(.failed, "the secret store refused the request (status \(answer.status))")
    case 429, 472, 473, 500...599:
      throw PalanaError(.unreachable, "the secret store is not ready (status \(answer.status))")
    default: throw PalanaError(.failed, "the secret store answered with status \(answer.status)")
    }
  }
}

extension Collection<UInt8> {
  /// Whether the ASCII text occurs in these bytes.
  func containsText(_ text: StaticString) -> Bool {
    let wanted = Array("\(text)".utf8)
    var rest = self[...]
    while rest.count >= wanted.count {
      if rest.starts(with: wanted) { return true }
      rest = rest.dropFirst()
    }
    return false
  }
}
