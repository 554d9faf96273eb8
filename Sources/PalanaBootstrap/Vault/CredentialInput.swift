import Foundation
import PalanaCore
import PalanaSecrets

/// Reads a credential from where a process list and a shell's history do not show it.
enum CredentialInput {
  /// The first word of a file, or of standard input.
  ///
  /// - Parameter file: `-` is standard input; a file that others than its owner can read is refused.
  /// - Throws: ``PalanaError``: `notFound`, `failed`, `invalid` when there is no word of printable ASCII.
  static func word(_ file: String) async throws(PalanaError) -> Redacted<String> {
    let content = file == "-" ? try standardInput() : try await SecretFile.read(file)
    let word = content.map { bytes in String(decoding: bytes.split(whereSeparator: { $0 <= 0x20 }).first ?? [], as: UTF8.self) }
    guard !word.reveal().isEmpty, word.reveal().utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw PalanaError(.invalid, "\(file == "-" ? "standard input" : file) does not hold a token")
    }
    return word
  }

  private static func standardInput() throws(PalanaError) -> Redacted<[UInt8]> {
    var bytes: [UInt8] = []
    while bytes.count < SecretFile.limit {
      let more: Data?
      do { more = try FileHandle.standardInput.read(upToCount: 4_096) } catch {
        throw PalanaError(.failed, "standard input could not be read")
      }
      guard let more, !more.isEmpty else { break }
      bytes += more
    }
    return Redacted(bytes)
  }
}
