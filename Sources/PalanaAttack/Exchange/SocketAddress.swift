import Glibc

/// An address of IPv4 or IPv6 with a port, as the system wants it.
struct SocketAddress {
  private var storage = sockaddr_storage()
  private let size: socklen_t
  let isV6: Bool

  /// Nil for what is no address.
  init?(_ endpoint: Endpoint) {
    guard let port = UInt16(exactly: endpoint.port) else { return nil }
    isV6 = endpoint.address.contains(":")
    if isV6 {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = port.bigEndian
      guard unsafe inet_pton(AF_INET6, endpoint.address, &address.sin6_addr) == 1 else { return nil }
      size = socklen_t(MemoryLayout<sockaddr_in6>.size)
      unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in6.self) }
    } else {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      guard unsafe inet_pton(AF_INET, endpoint.address, &address.sin_addr) == 1 else { return nil }
      size = socklen_t(MemoryLayout<sockaddr_in>.size)
      unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.storeBytes(of: address, as: sockaddr_in.self) }
    }
  }

  /// connect(2). Returns 0, or the error number.
  func connect(_ descriptor: Int32) -> Int32 {
    let size = self.size
    return unsafe withUnsafePointer(to: storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(descriptor, $0, size) == 0 ? 0 : errno
      }
    }
  }
}
