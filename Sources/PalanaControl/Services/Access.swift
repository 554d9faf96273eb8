package import PalanaAPI
package import PalanaCore
package import PalanaStore

/// Who may see and touch what. Decides on raw identities only.
package struct Access: Sendable {
  package let store: any ResourceStore

  package init(store: any ResourceStore) { self.store = store }

  /// Whose objects a call is about: the caller's own, or for operators those of `requested`.
  ///
  /// - Throws: ``PalanaError`` with code `denied`; the same whether the other owner exists or not.
  package func owner(_ requested: UserIdentity?, by caller: Caller) throws(PalanaError) -> UserIdentity {
    guard let requested, requested != caller.identity else { return caller.identity }
    guard caller.isOperator else { throw PalanaError(.denied, "only operators may name another owner") }
    return requested
  }

  /// Whose objects a list shows; nil: everybody's, which operators see when they name nobody.
  package func listOwner(_ requested: UserIdentity?, by caller: Caller) throws(PalanaError) -> UserIdentity? {
    if requested == nil, caller.isOperator { return nil }
    return try owner(requested, by: caller)
  }

  /// All objects of a kind, with those that every installation has.
  ///
  /// - Parameter owner: nil: of every owner.
  package func all<Spec: ControlledSpec>(
    _ kind: Spec.Type, owner: UserIdentity?
  ) async throws(PalanaError) -> [Resource<Spec>] {
    let stored = try await store.list(kind, owner: owner)
    let names = Set(stored.map(\.metadata.name))
    let added = Spec.builtIn.filter { !names.contains($0.metadata.name) }
    return added.isEmpty ? stored : (stored + added).sorted { $0.metadata.name < $1.metadata.name }
  }

  /// Reads an object for show: ``find(_:named:owner:by:)``, and what every installation has.
  package func read<Spec: ControlledSpec>(
    _ kind: Spec.Type, named text: String, owner: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> Resource<Spec> {
    do { return try await find(kind, named: text, owner: owner, by: caller) } catch {
      guard error.code == .notFound, let known = Spec.builtIn.first(where: { $0.metadata.name.text == text }) else {
        throw error
      }
      return known
    }
  }

  /// Reads an owned object. An operator who names no owner and has none of this name gets the only one that anybody
  /// has.
  ///
  /// - Throws: ``PalanaError`` with code `notFound`, in the same words for what does not exist and what belongs to
  ///   others; `conflict` when an operator has to say whose.
  package func find<Spec: ControlledSpec>(
    _ kind: Spec.Type, named text: String, owner requested: UserIdentity?, by caller: Caller
  ) async throws(PalanaError) -> Resource<Spec> {
    let name = try ResourceName(text)
    guard Spec.isOwned else { return try await get(kind, owner: nil, name) }
    if let requested, requested != caller.identity, !caller.isOperator { throw Self.missing(kind, name) }
    do { return try await get(kind, owner: requested ?? caller.identity, name) } catch {
      guard error.code == .notFound, caller.isOperator, requested == nil else { throw error }
    }
    let others = try await store.list(kind, owner: nil).filter { $0.metadata.name == name }
    guard let only = others.first else { throw Self.missing(kind, name) }
    guard others.count == 1 else {
      let owners = others.compactMap { $0.spec.writtenOwner?.raw }.joined(separator: ", ")
      throw PalanaError(
        .conflict, "several people have \(Spec.article) ‘\(name)’: \(owners)", hint: "say whose with --user or ?owner=")
    }
    return only
  }

  /// - Throws: ``PalanaError`` with code `notFound` in the one wording for it.
  private func get<Spec: ControlledSpec>(
    _ kind: Spec.Type, owner: UserIdentity?, _ name: ResourceName
  ) async throws(PalanaError) -> Resource<Spec> {
    do { return try await store.get(kind, owner: owner, name: name) } catch {
      throw error.code == .notFound ? Self.missing(kind, name) : error
    }
  }

  private static func missing<Spec: ControlledSpec>(_ kind: Spec.Type, _ name: ResourceName) -> PalanaError {
    PalanaError(.notFound, "there is no \(Spec.noun) ‘\(name)’")
  }
}
