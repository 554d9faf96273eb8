package import PalanaCore

extension LLMBudgetSpec {
  package static var jsonSchema: JSONValue {
    typealias Words = SchemaWords
    let scope = Words.object([
      ("owner", Words.text("Raw identity.")), ("agent", Words.text("Name of an agent of the owner.")),
      ("template", Words.text("Name of a template.")),
      ("each", Words.choice(LLMBudgetScope.Each.self, "What has the whole limit for itself; all count together when absent.")),
    ])
    let limit = Words.object(
      [
        ("window", Words.choice(LLMWindow.self, "In UTC.")), ("tokens", Words.integer(nil, "Input and output together.")),
        ("cost", Words.quantity("US dollars: 12.50.")), ("requests", Words.integer()),
      ], required: ["window"])
    return Words.object([
      ("scope", scope), ("models", Words.list(Words.text(), "Names, or beginnings with * at their end; every model when absent.")),
      ("limits", Words.list(limit)), ("concurrency", Words.integer(nil, "How many calls may run at once.")),
      ("warnAt", Words.integer(1...100, "Per cent of a limit; 80 when absent.")),
    ])
  }
}
