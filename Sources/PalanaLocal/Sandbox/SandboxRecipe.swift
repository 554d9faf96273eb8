import PalanaAPI
import PalanaCore
import PalanaPlan

/// Turns a request to start into a job for the shim. Pure but for reading the unpacked image.
struct SandboxRecipe: Sendable {
  var request: SandboxStart
  var machine: Machine
  var paths: SandboxPaths
  /// Nil: the machine's own programs.
  var image: ImageStore.Unpacked?
  var cgroup: String
  var logFileBytes: Int
  var logFiles: Int

  private var plan: AgentPlan { request.plan }

  /// Blocking: reads files of the image.
  /// - Throws: `invalid` when plan and image do not say what to run as whom; `failed` when a program is missing.
  func job(run: Int) throws(PalanaError) -> ShimJob {
    let who = try image.map { image throws(PalanaError) in try ImageUser(image.configuration, rootfs: image.rootfs) }
    let user = who?.user ?? HostView.user
    let bundle = paths.bundle
    let place = try plan.placed
    var files: [(name: String, destination: String, text: [UInt8])] = [
      ("hosts", "/etc/hosts", Array("127.0.0.1 localhost\n::1 localhost\n\(place.network.address) \(plan.name)\n".utf8)),
      ("hostname", "/etc/hostname", Array("\(plan.name)\n".utf8)),
      ("resolv.conf", "/etc/resolv.conf", Array(Self.resolverSettings(request.platform.resolver).utf8)),
    ]
    if let passwd = who?.passwd { files.append(("passwd", "/etc/passwd", passwd)) }
    let facts = OCIFacts(
      rootfs: bundle + "/rootfs", image: image?.configuration, user: user,
      initFolder: machine.tools, data: bundle + "/data", secrets: bundle + "/secrets",
      binds: (image == nil ? machine.hostView.binds : [])
        + files.map { OCIFacts.Bind(source: "\(bundle)/etc/\($0.name)", destination: $0.destination) } + certificates(),
      hidden: image == nil ? machine.hostView.hidden : [], userNamespace: bundle + "/userns",
      networkNamespace: request.networkNamespace, cgroup: cgroup, seccomp: machine.seccomp,
      swapAccounting: machine.countsSwap, separateSocketMemory: machine.countsSocketsApart, openFiles: machine.openFiles)
    let spec = try OCIRenderer.render(plan, facts)
    try checkPrograms(spec.process)
    var job = ShimJob()
    setCommon(&job, bundle: bundle, run: run)
    job.set("id.base", place.idBase)
    job.set("data.uid", place.idBase + user.uid)
    job.set("data.gid", place.idBase + user.gid)
    job.file("config.json", try spec.json(proxyToken: request.proxyToken).reveal(), mode: 0o600)
    for file in files { job.file("etc/" + file.name, file.text, mode: 0o644) }
    for (name, contents) in request.secretFiles {
      try SecretFiles.check(name)
      job.file(
        "secrets/" + name, contents.reveal(), mode: 0o400, owner: place.idBase + user.uid, group: place.idBase + user.gid)
    }
    return job
  }

  /// The agent's `resolv.conf`. Without a server a lookup fails at once instead of after seconds.
  private static func resolverSettings(_ server: IPAddress?) -> String {
    guard let server else { return "# names are resolved by the gateway\noptions timeout:1 attempts:1\n" }
    return "nameserver \(server)\noptions timeout:2 attempts:2\n"
  }

  private func setCommon(_ job: inout ShimJob, bundle: String, run: Int) {
    job.set("id", plan.id.text)
    job.set("crun", machine.crun)
    job.set("crun.root", paths.crunRoot)
    job.set("state", paths.agent(plan.id))
    job.set("logs", paths.logs(plan.id, run: run))
    job.set("bundle", bundle)
    job.set("group", cgroup)
    job.set("run", run)
    job.set("boot", machine.boot)
    job.set("data.image", paths.dataImage(plan.id))
    job.set("log.bytes", logFileBytes)
    job.set("log.files", logFiles)
    if let image {
      job.set("rootfs.lower", image.rootfs)
    } else {
      job.set("rootfs.view", machine.hostView.root)
    }
  }

  /// The installation's CA where programs look for roots: in the usual place, and wherever the image has another
  /// bundle.
  private func certificates() -> [OCIFacts.Bind] {
    var binds = [
      OCIFacts.Bind(source: machine.caBundle, destination: request.platform.caBundle),
      OCIFacts.Bind(source: machine.caCertificate, destination: request.platform.caCertificate),
    ]
    guard let image else { return binds }
    for other in [
      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem",
      "/etc/ssl/cert.pem",
    ] where ImageFile.exists(image.rootfs, other) {
      binds.append(OCIFacts.Bind(source: machine.caBundle, destination: other))
    }
    return binds
  }

  private func checkPrograms(_ process: OCIProcess) throws(PalanaError) {
    let path = process.env.first { $0.hasPrefix("PATH=") }?.dropFirst(5) ?? ""
    for required in plan.requires {
      let candidates = path.split(separator: ":").map { "\($0)/\(required.name)" }
      let found = candidates.contains { candidate in
        if let image { return ImageFile.exists(image.rootfs, candidate, executable: true) }
        return HostView.hasProgram(candidate)
      }
      guard found else {
        throw PalanaError(
          .failed, "agent ‘\(plan.name)’ needs the program ‘\(required.name)’, which is not there", hint: required.hint)
      }
    }
  }
}

/// Names of the files of agent-readable secrets.
enum SecretFiles {
  /// `NAME` or `NAME/KEY`, of letters, digits, `_`, `-` and `.`, not starting with a dot.
  static func check(_ name: String) throws(PalanaError) {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let good =
      (1...2).contains(parts.count)
      && parts.allSatisfy { part in
        !part.isEmpty && part.utf8.count <= 128 && part.first != "."
          && part.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
              || [45, 46, 95].contains(byte)
          }
      }
    guard good else { throw PalanaError(.invalid, "‘\(name.prefix(80))’ is not the name of a secret's file") }
  }
}
