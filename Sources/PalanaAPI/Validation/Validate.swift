package import PalanaCore

extension Resource {
  /// Every problem of the object, in the order of its fields; empty when it is sound. Pure.
  package func validate() -> [FieldError] { metadata.problems() + spec.problems() }

  /// The problems of replacing `old` by this object, on top of ``validate()``: immutable fields.
  package func validateUpdate(from old: Self) -> [FieldError] { validate() + spec.problems(replacing: old.spec) }

  /// - Throws: ``PalanaError`` with code `invalid` that lists every problem.
  package func check() throws(PalanaError) {
    if let error = PalanaError(validate()) { throw error }
  }

  /// - Throws: ``PalanaError`` with code `invalid` that lists every problem, also of the change itself.
  package func check(replacing old: Self) throws(PalanaError) {
    if let error = PalanaError(validateUpdate(from: old)) { throw error }
  }
}

extension ObjectMeta {
  func problems() -> [FieldError] { [] }
}
