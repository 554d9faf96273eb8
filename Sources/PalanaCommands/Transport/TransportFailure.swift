import AsyncHTTPClient
import NIOCore
import NIOPosix
import PalanaCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Says in words what went wrong on the way to the server.
struct TransportFailure {
  private let endpoint: ControlEndpoint

  init(_ endpoint: ControlEndpoint) { self.endpoint = endpoint }

  /// The error for people. Errors that mean something already pass unchanged.
  func palanaError(_ error: any Error) -> any Error {
    switch error {
    case is PalanaError, is CancellationError, is BrokenPipe, is Interrupted: return error
    case let error as HTTPClientError where error == .cancelled: return CancellationError()
    case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
      return PalanaError(.unreachable, "\(endpoint.description) took too long to answer", hint: hint)
    case let error as HTTPClientError where error == .remoteConnectionClosed:
      return PalanaError(.unreachable, "the platform closed the connection", hint: "see pcli status")
    case is NIOTooManyBytesError:
      return PalanaError(.failed, "the server's answer is too long")
    default: break
    }
    if let number = Self.systemError(error) {
      switch number {
      case EACCES, EPERM:
        return PalanaError(
          .denied, "you may not use \(endpoint.description)",
          hint: "run pcli as root, or join the group that control.group names")
      case EPIPE, ECONNRESET:
        return PalanaError(.unreachable, "the platform closed the connection", hint: "see pcli status")
      default: break
      }
    }
    return PalanaError(.unreachable, unreachable, hint: hint)
  }

  private var unreachable: String {
    switch endpoint.address {
    case .socket(let path): "the platform is not running here (no answer at \(path))"
    case .server(let base): "there is no answer from \(base)"
    }
  }

  private var hint: String {
    switch endpoint.address {
    case .socket: "start the platform with ‘pcli up’"
    case .server: "check the address, and that the platform runs there"
    }
  }

  private static func systemError(_ error: any Error) -> Int32? {
    switch error {
    case let error as IOError: error.errnoCode
    case let error as NIOConnectionError: error.connectionErrors.lazy.compactMap { systemError($0.error) }.first
    default: nil
    }
  }
}
