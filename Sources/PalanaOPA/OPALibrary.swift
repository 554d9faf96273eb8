package import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The official OPA engine as a shared library, loaded when the daemon starts.
///
/// The library holds a Go runtime: it is never unloaded, it starts threads of its own, and it expects the process to
/// ignore SIGPIPE (`palanad` does so first thing). Each function that can fail returns a JSON envelope that the library
/// allocated; it is copied and handed back at once, so no pointer of the library leaves this module's two wrappers
/// (which is why the type counts as safe).
@safe
package final class OPALibrary: Sendable {
  typealias New = @convention(c) @Sendable () -> UInt64
  typealias Destroy = @convention(c) @Sendable (UInt64) -> Void
  typealias FreeString = @convention(c) @Sendable (UnsafeMutablePointer<CChar>) -> Void
  typealias TwoTexts =
    @convention(c) @Sendable (UInt64, UnsafePointer<CChar>, UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>?
  typealias Evaluate =
    @convention(c) @Sendable (UInt64, UnsafePointer<CChar>, UnsafePointer<CChar>, CInt, CInt) ->
    UnsafeMutablePointer<CChar>?

  /// Where the library was loaded from.
  package let path: String
  let new: New
  let destroy: Destroy
  private let freeString: FreeString
  let addPolicy: TwoTexts
  let addData: TwoTexts
  let evalDocument: Evaluate
  let evalQuery: Evaluate

  /// Loads the library and checks that it has every function that is needed.
  ///
  /// Blocks for some tens of milliseconds: call it where blocking is allowed.
  /// - Throws: ``PalanaError`` with code `failed` that names the file, or the function that is missing.
  package init(path: String) throws(PalanaError) {
    self.path = path
    guard path.utf8.first == UInt8(ascii: "/") else {
      // A bare name would be searched for along LD_LIBRARY_PATH.
      throw PalanaError(.invalid, "the path of the OPA library is not absolute: ‘\(path)’")
    }
    guard let handle = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      let why = unsafe dlerror().map { unsafe String(cString: $0) } ?? "no reason given"
      throw PalanaError(
        .failed, "the OPA library cannot be loaded: \(why)", hint: "run ./quickstart to install it, or set opa.library")
    }
    func symbol<Function>(_ name: String, as type: Function.Type) throws(PalanaError) -> Function {
      guard let found = unsafe dlsym(handle, name) else {
        throw PalanaError(
          .failed, "the OPA library \(path) has no function \(name)", hint: "install the pinned version")
      }
      // Sound because the wheel's own declarations of these functions have exactly these C types.
      return unsafe unsafeBitCast(found, to: type)
    }
    new = try symbol("OpaNew", as: New.self)
    destroy = try symbol("OpaDestroy", as: Destroy.self)
    unsafe freeString = try unsafe symbol("OpaFreeString", as: FreeString.self)
    unsafe addPolicy = try unsafe symbol("OpaAddPolicy", as: TwoTexts.self)
    unsafe addData = try unsafe symbol("OpaAddData", as: TwoTexts.self)
    unsafe evalDocument = try unsafe symbol("OpaEvalDocument", as: Evaluate.self)
    unsafe evalQuery = try unsafe symbol("OpaEvalQuery", as: Evaluate.self)
  }

  /// Copies an envelope and gives the original back to the library. Nil: the library returned nothing.
  func take(_ envelope: UnsafeMutablePointer<CChar>?) -> [UInt8]? {
    guard let envelope = unsafe envelope else { return nil }
    defer { unsafe freeString(envelope) }
    let length = unsafe strlen(envelope)
    return unsafe envelope.withMemoryRebound(to: UInt8.self, capacity: length) { bytes in
      unsafe Array(UnsafeBufferPointer(start: bytes, count: length))
    }
  }
}
