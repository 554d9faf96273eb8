import Glibc

/// Reads this process's environment.
enum ProcessEnvironment {
  static func value(_ name: String) -> String? {
    guard let text = unsafe getenv(name) else { return nil }
    return unsafe String(cString: text)
  }
}
