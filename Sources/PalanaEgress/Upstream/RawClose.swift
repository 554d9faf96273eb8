import NIOCore
import NIOSSL

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Closes a channel below its TLS handler: at once, and discarding what the kernel still holds.
enum RawClose {
  static func now(_ context: ChannelHandlerContext) {
    let channel = context.channel
    // A reset instead of a farewell: bytes that wait in the kernel's buffers are not delivered any more.
    // On the channel's own event loop the option is set before the call returns.
    _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
    let pipeline = channel.pipeline.syncOperations
    if let tls = try? pipeline.context(handlerType: NIOSSLServerHandler.self) {
      tls.close(promise: nil)
    } else if let tls = try? pipeline.context(handlerType: NIOSSLClientHandler.self) {
      tls.close(promise: nil)
    } else {
      context.close(promise: nil)
    }
  }
}
