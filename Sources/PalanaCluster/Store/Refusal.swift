import PalanaCore
import PalanaKube

extension KubeError {
  /// As whoever asked for it sees it: Kubernetes' own words, and what to do.
  ///
  /// - Parameter what: what it was about, for example `Agent demo`.
  func told(_ what: String) -> PalanaError {
    switch kind {
    case .forbidden:
      // A webhook says itself what is wrong; the rest is rights.
      let isJudged = message.contains("admission webhook") || message.contains("ValidatingAdmissionPolicy")
      return PalanaError(
        .denied, message,
        hint: isJudged
          ? "" : "the cluster decides who may do what: ask its operators for the role palana-user or palana-admin")
    case .notFound: return PalanaError(.notFound, "there is no \(what)")
    case .alreadyExists: return PalanaError(.conflict, "\(what) exists already")
    case .conflict:
      return PalanaError(.conflict, "\(what) was changed by somebody else", hint: "read it again and repeat the change")
    case .unauthenticated:
      return PalanaError(.unreachable, "the cluster does not accept the account of the control API: \(message)")
    case .gone, .invalid, .throttled, .server, .unreachable, .malformed: return palana
    }
  }
}
