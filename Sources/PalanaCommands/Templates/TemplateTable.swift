import PalanaAPI
import PalanaCore

/// The columns of `pcli templates list`.
enum TemplateTable {
  /// One row per template.
  static func table(_ templates: [AgentTemplate]) -> Table {
    Table(
      ["NAME", "IMAGE", "NEEDS", "DESCRIPTION"],
      rows: templates.map { template in
        [
          .init(template.metadata.name.text), .init(template.spec.image),
          .init(template.spec.requires?.map(\.name).joined(separator: ",")), .init(template.spec.description),
        ]
      })
  }
}
