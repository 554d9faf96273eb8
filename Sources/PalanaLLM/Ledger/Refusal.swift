import PalanaAPI
package import PalanaCore

/// Why a call may not go out.
package enum Refusal: Error, Hashable, Sendable {
  case overBudget(Overrun)
  /// What is used cannot be written down now, so nothing goes out. The text is for operators.
  case ledgerUnavailable(String)

  /// The limit that stands in the way; of several, the one that does so longest.
  package struct Overrun: Error, Hashable, Sendable {
    package var figures: BudgetFigures
    /// What the call needs of it.
    package var asked: Int64
    /// When the call was tried.
    package var time: Timestamp

    /// Whether the call needs more than the whole limit, so that waiting does not help.
    package var isTooLarge: Bool { asked > figures.limit }

    /// Whole seconds until the limit counts from nothing again, at least 1; nil when waiting does not help or nobody knows how long.
    package var retryAfterSeconds: Int64? {
      guard !isTooLarge, let resetsAt = figures.resetsAt else { return nil }
      return max(1, (resetsAt.microseconds - time.microseconds + 999_999) / 1_000_000)
    }
  }

  /// A closed list, for programs.
  package var reason: String {
    switch self {
    case .overBudget(let overrun):
      if overrun.isTooLarge { return "request_over_budget" }
      return overrun.figures.measure == .concurrency ? "too_many_calls" : "budget_exceeded"
    case .ledgerUnavailable: return "ledger_unavailable"
    }
  }
}

extension Refusal: CustomStringConvertible {
  /// One sentence for the agent.
  package var description: String {
    switch self {
    case .ledgerUnavailable: return "the use of models cannot be written down at the moment"
    case .overBudget(let overrun):
      let figures = overrun.figures
      let limit = "\(figures.text(figures.limit))\(figures.window.map { " a \($0.rawValue)" } ?? "")"
      let whose = figures.group.isEmpty ? "" : " for \(figures.group)"
      if overrun.isTooLarge {
        return "the request may use \(figures.text(overrun.asked)), more than the whole budget ‘\(figures.budget)’\(whose): \(limit)"
      }
      let reset = figures.resetsAt.map { ", which resets at \($0)" } ?? ""
      return """
        the budget ‘\(figures.budget)’\(whose) of \(limit) is used up\(reset): \(figures.text(figures.used)) used, \
        \(figures.text(figures.reserved)) reserved by calls under way, and the request may use \(figures.text(overrun.asked))
        """
    }
  }
}

extension BudgetFigures {
  /// An amount of what is measured, for people.
  package func text(_ amount: Int64) -> String {
    switch measure {
    case .cost: Cost(nanoDollars: amount).description
    case .tokens: "\(amount) tokens"
    case .requests: amount == 1 ? "1 request" : "\(amount) requests"
    case .concurrency: amount == 1 ? "1 call at once" : "\(amount) calls at once"
    }
  }
}
