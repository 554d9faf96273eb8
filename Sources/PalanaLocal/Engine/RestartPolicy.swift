package import PalanaAPI

/// What happens after the process of an agent ended: a pure decision.
package struct RestartPolicy: Hashable, Sendable {
  package enum Verdict: Hashable, Sendable {
    /// Start again after this delay.
    case restart(after: Duration)
    /// It is done: stopped if it ended well, failed otherwise.
    case stay(AgentStatus.Phase)
  }

  /// The first delay; each further failure doubles it.
  package var initialDelay: Duration = .seconds(1)
  package var longestDelay: Duration = .seconds(300)
  /// A run that lasted this long starts the count anew.
  package var resetAfter: Duration = .seconds(600)

  package init() {}

  /// - Parameters:
  ///   - mode: what the agent asks for.
  ///   - code: the exit code, 128 plus the signal for signals.
  ///   - failures: how many runs in a row have ended early before this one.
  package func verdict(mode: AgentLifecycle.Restart, code: Int, failures: Int) -> Verdict {
    switch mode {
    case .never: return .stay(code == 0 ? .stopped : .failed)
    case .onFailure where code == 0: return .stay(.stopped)
    case .onFailure, .always: return .restart(after: delay(failures: failures))
    }
  }

  /// The delay before the next start, after so many early ends in a row.
  package func delay(failures: Int) -> Duration {
    let doublings = min(max(failures, 0), 20)
    return min(initialDelay * (1 << doublings), longestDelay)
  }
}
