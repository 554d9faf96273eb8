import PalanaAPI
import PalanaControlAPI
import PalanaCore

/// A kind of resource as people name it, with the operations on it.
enum KindName: String, CaseIterable, Sendable {
  case agent = "Agent"
  case agentTemplate = "AgentTemplate"
  case egressPolicy = "EgressPolicy"
  case peeringRule = "PeeringRule"
  case llmBudget = "LLMBudget"
  case secretBinding = "SecretBinding"
  case killOrder = "KillOrder"

  /// Every accepted spelling, lower case: singular, plural, short; the first one stands in messages.
  var spellings: [String] {
    switch self {
    case .agent: ["agent", "agents", "ag"]
    case .agentTemplate: ["template", "templates", "tpl", "agenttemplate", "agenttemplates"]
    case .egressPolicy: ["egresspolicy", "egresspolicies", "ep", "policy", "policies"]
    case .llmBudget: ["llmbudget", "llmbudgets", "budget", "budgets"]
    case .peeringRule: ["peeringrule", "peeringrules", "pr", "peer", "peers"]
    case .secretBinding: ["secretbinding", "secretbindings", "sb", "secret", "secrets"]
    case .killOrder: ["killorder", "killorders", "ko"]
    }
  }

  /// Reads any spelling, in any case.
  /// - Throws: ``PalanaError`` with code `invalid` that lists the kinds.
  init(spelled text: String) throws(PalanaError) {
    let wanted = text.lowercased()
    guard let kind = Self.allCases.first(where: { $0.spellings.contains(wanted) }) else {
      throw PalanaError(
        .invalid, "there is no kind ‘\(text.prefix(60))’",
        hint: "one of " + Self.allCases.map { $0.spellings[0] }.joined(separator: ", "))
    }
    self = kind
  }

  /// The word before a slash in messages, for example `agent/demo`.
  var word: String { spellings[0] }

  /// Reads all of the kind.
  var list: PalanaControlAPI.Operation {
    switch self {
    case .agent: .listAgents
    case .agentTemplate: .listTemplates
    case .egressPolicy: .listPolicies
    case .peeringRule: .listPeeringRules
    case .llmBudget: .listBudgets
    case .secretBinding: .listSecretBindings
    case .killOrder: .listKillOrders
    }
  }

  /// Reads one.
  var get: PalanaControlAPI.Operation {
    switch self {
    case .agent: .getAgent
    case .agentTemplate: .getTemplate
    case .egressPolicy: .getPolicy
    case .peeringRule: .getPeeringRule
    case .llmBudget: .getBudget
    case .secretBinding: .getSecretBinding
    case .killOrder: .getKillOrder
    }
  }

  /// Removes one.
  /// - Throws: ``PalanaError`` with code `invalid` for kinds that the platform writes, saying which command does it.
  func delete() throws(PalanaError) -> PalanaControlAPI.Operation {
    switch self {
    case .agent: .deleteAgent
    case .agentTemplate: .deleteTemplate
    case .egressPolicy: .deletePolicy
    case .peeringRule: .deletePeeringRule
    case .llmBudget: .deleteBudget
    case .secretBinding:
      throw PalanaError(.invalid, "a secret is not deleted this way", hint: "use pcli secrets rm AGENT NAME")
    case .killOrder:
      throw PalanaError(.invalid, "a kill order is not deleted this way", hint: "use pcli unkill")
    }
  }
}

/// One object on the command line: `demo`, `agent/demo`, or `agent demo`.
struct ResourceReference: Hashable, Sendable {
  var kind: KindName
  var name: String

  init(kind: KindName, name: String) {
    self.kind = kind
    self.name = name
  }

  /// - Parameter words: one or two arguments; one without a slash names an agent.
  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ words: [String]) throws(PalanaError) {
    switch words.count {
    case 1:
      let parts = words[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if parts.count == 2 {
        self.init(kind: try KindName(spelled: parts[0]), name: try ResourceName(parts[1]).text)
      } else {
        self.init(kind: .agent, name: try ResourceName(words[0]).text)
      }
    case 2: self.init(kind: try KindName(spelled: words[0]), name: try ResourceName(words[1]).text)
    default: throw PalanaError(.invalid, "name one object", hint: "for example demo, or template python")
    }
  }
}
