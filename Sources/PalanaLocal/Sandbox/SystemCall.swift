import Glibc
import NIOPosix
import PalanaCore

/// Small bridges to the system: its error texts, its blocking calls.
enum SystemCall {
  /// What the C library calls an error number.
  static func text(_ number: Int32) -> String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text)
  }

  /// An error with code `failed` that says what did not work and why.
  static func error(_ number: Int32, _ what: String) -> PalanaError { PalanaError(.failed, "\(what): \(text(number))") }

  /// Runs blocking work on the thread pool for it, never on the cooperative pool.
  static func blocking<Value: Sendable>(
    _ body: @escaping @Sendable () throws(PalanaError) -> Value
  ) async throws(PalanaError) -> Value {
    do {
      return try await NIOThreadPool.singleton.runIfActive { () -> Result<Value, PalanaError> in
        do throws(PalanaError) { return .success(try body()) } catch { return .failure(error) }
      }.get()
    } catch let error as PalanaError {
      throw error
    } catch {
      throw PalanaError(.failed, "blocking work could not be done: \(error)")
    }
  }
}

/// A file descriptor that closes itself.
final class OwnedDescriptor: Sendable {
  let number: Int32

  init(_ number: Int32) { self.number = number }
  deinit { if number >= 0 { close(number) } }
}
