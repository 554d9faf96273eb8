import PalanaAPI
import PalanaCore

/// The Git part of a rule in its usable form.
struct CompiledGitRule: Sendable {
  /// Over the path with its first slash, as in ``GitOperation/path``.
  private let repository: PathPattern
  private let push: Bool
  private let denies: Bool
  private let refs: [RefPattern]

  /// The most patterns of refs in one rule.
  static let mostRefs = 64

  /// - Throws: ``PalanaError`` with code `invalid`.
  init(_ rule: GitRule, denies: Bool) throws(PalanaError) {
    self.denies = denies
    push = rule.push ?? false
    var text = rule.repo
    if text.hasPrefix("/") { text.removeFirst() }
    if text.hasSuffix(".git") { text.removeLast(4) }
    guard !text.isEmpty, !text.hasSuffix("/"), !text.contains("//"), !text.contains(";"), !text.contains("?") else {
      throw PalanaError(
        .invalid, "repo: it is not the path of a repository", hint: "write for example apple/swift, apple/* or **")
    }
    do throws(PalanaError) {
      // A server may ignore the case of names, so a deny does as well.
      repository = try PathPattern.parse("/" + (denies ? Self.folded(text) : text))
    } catch { throw PalanaError(error.code, "repo: \(error.message)", hint: "write for example apple/swift or apple/*") }
    let written = rule.refs ?? []
    guard written.isEmpty || push else { throw PalanaError(.invalid, "refs: they need push: true") }
    guard !denies || rule.push != false else {
      throw PalanaError(.invalid, "push: in a deny rule it is true, or left out to deny fetches as well")
    }
    guard written.count <= Self.mostRefs else {
      throw PalanaError(.invalid, "refs: the list has \(written.count) entries, at most \(Self.mostRefs) are allowed")
    }
    var refs: [RefPattern] = []
    for ref in written { refs.append(try RefPattern(ref, ignoringCase: denies)) }
    self.refs = refs
  }

  /// Allow: the step at which the rule does not cover the operation, its repository and every ref that is known; nil: it does.
  func failure(_ operation: GitOperation) -> MatchStep? {
    guard repository.matches(operation.path) else { return .repository }
    guard operation.service == .push else { return nil }
    guard push else { return .operation }
    return refusedRef(of: operation) == nil ? nil : .ref
  }

  /// Deny: the repository in any case, and one ref that is covered is enough.
  func denies(_ operation: GitOperation) -> Bool {
    guard repository.matches(Self.folded(operation.path)) else { return false }
    guard push else { return true }
    guard operation.service == .push else { return false }
    // Which refs it is about shows when the commands are read; the same rule is asked again then.
    return refs.isEmpty || (operation.refs ?? []).contains { ref in refs.contains { $0.matches(ref) } }
  }

  /// The first ref of a push that this rule does not cover.
  private func refusedRef(of operation: GitOperation) -> String? {
    guard !refs.isEmpty else { return nil }
    return operation.refs?.first { ref in !refs.contains { $0.matches(ref) } }
  }

  /// What it allows instead, for `the rule … allows …`.
  func explain(_ operation: GitOperation, at authority: Authority) -> String {
    let named = repository.description.dropFirst()
    guard repository.matches(operation.path) else {
      return "Git at \(authority) with the repository \(named) only, not \(Self.shown(operation.repository))"
    }
    guard push else { return "fetching \(named) from \(authority), not pushing" }
    let refs = refs.prefix(8).map(\.description).joined(separator: ", ")
    let refused = refusedRef(of: operation).map { ", not \(Self.shown($0))" } ?? ""
    return "pushing \(refs) of \(named) only\(refused)"
  }

  /// In lower case, but for the digits of percent-encodings, whose canonical form is upper case.
  private static func folded(_ path: String) -> String {
    var digits = 0
    let bytes = path.utf8.map { byte -> UInt8 in
      if byte == UInt8(ascii: "%") {
        digits = 2
      } else if digits > 0 {
        digits -= 1
      } else if (65...90).contains(byte) {
        return byte + 32
      }
      return byte
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func shown(_ text: String) -> String { text.utf8.count <= 200 ? text : text.prefix(160) + "…" }
}

/// A glob over full names of refs: `*` within a segment, `**` across segments.
private struct RefPattern: Sendable, CustomStringConvertible {
  let description: String
  private let glob: Glob
  private let ignoresCase: Bool

  init(_ text: String, ignoringCase: Bool) throws(PalanaError) {
    let isClean = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f && !"~^:?[\\".utf8.contains($0) }
    guard text.hasPrefix("refs/"), text.utf8.count <= 256, isClean, !text.contains(".."), !text.contains("***") else {
      throw PalanaError(
        .invalid, "refs: ‘\(text.unicodeScalars.prefix(80).map { $0.value < 0x20 ? "?" : String($0) }.joined())’ names no ref",
        hint: "write full names, for example refs/heads/main or refs/heads/agent/*")
    }
    description = text
    ignoresCase = ignoringCase
    glob = Glob(Array((ignoringCase ? text.lowercased() : text).utf8))
  }

  func matches(_ ref: String) -> Bool { glob.matches((ignoresCase ? ref.lowercased() : ref).utf8) }
}
