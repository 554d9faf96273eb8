/// What is refused before any rule is asked, since no rule can allow it. The gateway and `pcli egress test` share it, so that they
/// give the same reason.
package enum Preflight {
  /// Why a request is refused.
  package struct Refusal: Hashable, Sendable {
    package let reason: DenialReason
    /// A sentence for people.
    package let explanation: String
  }

  /// - Parameters:
  ///   - method: as sent; nil at the authority stage.
  ///   - authority: an address in it is judged here, a name by what it resolves to.
  ///   - addresses: which addresses may be dialled.
  /// - Returns: nil when the rules are to be asked.
  package static func refusal(method: String?, authority: Authority, addresses: AddressPolicy) -> Refusal? {
    // TRACE sends back what the upstream received: with it an agent would read the credentials that were put in.
    if method == "TRACE" || method == "TRACK" {
      return Refusal(reason: .methodNotAllowed, explanation: "TRACE is never allowed")
    }
    if let address = authority.host.address, case .failure(let refusal) = addresses.permit(address, port: authority.port) {
      return Refusal(reason: refusal.reason, explanation: refusal.explanation)
    }
    return nil
  }
}
