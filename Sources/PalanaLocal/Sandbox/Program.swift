import Glibc
import PalanaCore
import Subprocess
import SystemPackage

/// Runs the programs of the machine that the runtime uses.
enum Program {
  /// What a program said.
  struct Output: Sendable {
    var succeeded: Bool
    var out: [UInt8]
    /// The end of its error output, without surrounding space.
    var error: String
  }

  private static let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

  /// The path of a program in the machine's usual folders; the caller's `PATH` is not asked, it may be anyone's.
  /// - Throws: `failed` with the Debian package that has it.
  static func find(_ name: String, package: String) throws(PalanaError) -> String {
    for place in places where unsafe access("\(place)/\(name)", X_OK) == 0 { return "\(place)/\(name)" }
    throw PalanaError(.failed, "the program ‘\(name)’ is missing", hint: "install the package \(package)")
  }

  /// Runs to the end, with an empty environment but for `PATH` and `HOME`, and collects what it says.
  /// - Parameter limit: bytes of output; more is an error.
  static func run(
    _ path: String, _ arguments: [String], input: [UInt8] = [], limit: Int = 4 << 20
  ) async throws(PalanaError) -> Output {
    do {
      let result = try await Subprocess.run(
        .path(FilePath(path)), arguments: Arguments(arguments),
        environment: .custom(["PATH": places.joined(separator: ":"), "HOME": "/nonexistent", "LC_ALL": "C"]),
        input: .array(input), output: .bytes(limit: limit), error: .string(limit: 1 << 20))
      let error = result.standardError.split(separator: "\n").suffix(8).joined(separator: "\n")
      return Output(
        succeeded: result.terminationStatus.isSuccess, out: result.standardOutput,
        error: String(error.suffix(2000)))
    } catch {
      throw PalanaError(.failed, "\(path) cannot be run: \(error)")
    }
  }
}
