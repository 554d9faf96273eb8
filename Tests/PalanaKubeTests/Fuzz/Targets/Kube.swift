import Fuzzing
import NIOCore
import PalanaCore

@testable import PalanaKube

/// What an API server, a kubeconfig and a program that signs in say.
extension FuzzTarget {
  static let kube = [watch, kubeconfig, credential]

  private struct Lines: Equatable {
    var lines: [[UInt8]] = []
    var isRefused = false
  }

  /// Lines are the same however their bytes come in, and each can be read or is refused.
  static let watch = FuzzTarget(
    name: "watch", count: 5_000,
    texts: [
      #"{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"5"}}}"# + "\n"
        + #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"# + "\n",
      "\n\n" + #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","details":{"retryAfterSeconds":3}}}"# + "\r\n",
      #"{"type":"DELETED","object":{"metadata":{"name":"\ud83d\ude00","generation":1e999,"finalizers":[7]}}}"# + "\n{",
    ]
  ) { bytes in
    let limit = 150
    func read(_ pieces: [ArraySlice<UInt8>]) -> Lines {
      var splitter = LineSplitter(limit: limit)
      var read = Lines()
      for piece in pieces {
        splitter.append(ByteBuffer(bytes: piece))
        do throws(KubeError) {
          while let line = try splitter.next() { read.lines.append(line) }
        } catch {
          read.isRefused = true
          return read
        }
      }
      return read
    }
    if let problem = same(bytes, read) { return problem }
    let found = read([bytes[...]])
    for line in found.lines {
      guard !line.isEmpty, line.count <= limit, !line.contains(10) else { return "a line is \(line)" }
      guard case .changed(let object)? = try? WatchLine(line) else { continue }
      _ = (object.key, object.generation, object.labels, object.finalizers, object.isDeleting)
    }
    let wanted = bytes.split(separator: 10).map(Array.init)
    let isWhole = bytes.last == 10 || bytes.isEmpty
    return found.isRefused || found.lines == (isWhole ? wanted : wanted.dropLast()) ? nil : "the lines are \(found.lines)"
  }

  /// Whatever is wrong with it, nothing that is said of a kubeconfig shows a credential.
  static let kubeconfig = FuzzTarget(
    name: "kubeconfig", count: 1_000,
    texts: [
      """
      apiVersion: v1
      kind: Config
      current-context: a
      clusters: [{name: c, cluster: {server: "https://example.test:6443", certificate-authority-data: QUJD, tls-server-name: x}}]
      contexts: [{name: a, context: {cluster: c, user: u, namespace: n}}]
      users:
      - name: u
        user: {token: canary-secret, client-key-data: canary-secret, password: canary-secret, username: me}
      - name: v
        user:
          exec: {apiVersion: client.authentication.k8s.io/v1, command: login, args: [x], env: [{name: A, value: B}], provideClusterInfo: true}
      """,
      #"{"clusters": null, "users": [{"name": "u", "user": {"token": "canary-secret", "tokenFile": "/x"}}], "contexts": [{"name": 7}]}"#,
      "users: &u [{name: x, user: {token: canary-secret}}]\ncontexts: *u\n---\nother: document\n",
    ]
  ) { bytes in
    do throws(PalanaError) {
      let file = try KubeConfigFile.read(bytes, path: "config")
      return "\(file)".contains("canary-secret") ? "its description shows a credential" : nil
    } catch {
      return "\(error)".contains("canary-secret") ? "the error shows a credential" : nil
    }
  }

  /// The same of what a plugin prints.
  static let credential = FuzzTarget(
    name: "exec-credential", count: 5_000,
    texts: [
      #"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"canary-secret"}}"#,
      #"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientKeyData":"canary-secret","#
        + #""clientCertificateData":"x","expirationTimestamp":"2999-01-01T00:00:00Z"}}"#,
    ]
  ) { bytes in
    do throws(KubeError) {
      let read = try ExecPlugin.read(bytes, command: "login", apiVersion: "client.authentication.k8s.io/v1")
      guard read.authorization != nil || read.certificate != nil else { return "a credential that is none" }
      return "\(read)".contains("canary-secret") ? "its description shows it" : nil
    } catch {
      return "\(error)".contains("canary-secret") ? "the error shows it" : nil
    }
  }
}
