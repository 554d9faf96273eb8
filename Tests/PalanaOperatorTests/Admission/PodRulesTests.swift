import PalanaAPI
import PalanaCore
import PalanaPlan
import Testing

@testable import PalanaOperator

/// Each way in which a pod could be more than an agent's, and where it is refused.
@Suite struct PodRulesTests {
  struct Attack: Sendable, CustomTestStringConvertible {
    var path: String
    var value: JSONValue?
    /// What is named in the refusal; nil: the path itself.
    var refused: String?
    var testDescription: String { "\(path) = \(value.map { String(decoding: $0.encoded(), as: UTF8.self) } ?? "nothing")" }

    init(_ path: String, _ value: JSONValue?, _ refused: String? = nil) {
      self.path = path
      self.value = value
      self.refused = refused
    }
  }

  private static let pod: [Attack] = [
    Attack("spec.hostNetwork", true), Attack("spec.hostPID", true), Attack("spec.hostIPC", true),
    Attack("spec.shareProcessNamespace", true), Attack("spec.automountServiceAccountToken", true),
    Attack("spec.automountServiceAccountToken", nil), Attack("spec.serviceAccountName", "default"), Attack("spec.serviceAccountName", nil),
    Attack("spec.serviceAccount", "cluster-admin"), Attack("spec.nodeName", "control-plane-1"),
    Attack("spec.hostAliases[0].ip", "10.0.0.1", "spec.hostAliases"),
    Attack("spec.resourceClaims[0].name", "gpu", "spec.resourceClaims"), Attack("spec.runtimeClassName", "unconfined"),
    Attack("spec.hostnameOverride", "other"), Attack("spec.setHostnameAsFQDN", true),
    Attack("spec.priorityClassName", "system-node-critical"),
    Attack("spec.os.name", "windows", "spec.os"),
    Attack("spec.tolerations[0]", ["operator": "Exists"]),
    Attack("spec.tolerations[0]", ["key": "node-role.kubernetes.io/control-plane", "operator": "Exists"]),
    Attack("spec.tolerations[0]", ["key": "node-role.kubernetes.io/master", "effect": "NoSchedule"]),
    Attack("spec.nodeSelector", ["node-role.kubernetes.io/control-plane": ""]),
    Attack("metadata.labels", ["palana.dev/agent-id": "other-0123456789"], "metadata.labels[palana.dev/agent-id]"),
    Attack(
      "metadata.annotations", ["container.apparmor.security.beta.kubernetes.io/agent": "unconfined"],
      "metadata.annotations[container.apparmor.security.beta.kubernetes.io/agent]"),
    Attack("spec.securityContext.sysctls[0]", ["name": "kernel.msgmax", "value": "1"], "spec.securityContext.sysctls"),
    Attack("spec.securityContext.supplementalGroups", [0]), Attack("spec.securityContext.supplementalGroups", ["0"]),
  ]

  /// Of the pod and of each container alike.
  private static let contexts: [Attack] = ["spec.securityContext", "spec.containers[0].securityContext"].flatMap { path in
    [
      Attack("\(path).runAsUser", 0), Attack("\(path).runAsGroup", 0), Attack("\(path).fsGroup", 0), Attack("\(path).runAsUser", -1),
      Attack("\(path).runAsUser", "0"), Attack("\(path).runAsNonRoot", false),
      Attack("\(path).seccompProfile.type", "Unconfined", "\(path).seccompProfile"),
      Attack("\(path).seccompProfile", ["type": "Localhost", "localhostProfile": "x"]),
      Attack("\(path).appArmorProfile", ["type": "Unconfined"]), Attack("\(path).seLinuxOptions", ["type": "spc_t"]),
      Attack("\(path).windowsOptions", ["hostProcess": true]),
    ]
  }

  private static let containers: [Attack] = ["containers[0]", "initContainers[0]", "ephemeralContainers[0]"].flatMap { kind -> [Attack] in
    let path = "spec.\(kind)"
    return [
      Attack("\(path).securityContext.privileged", true), Attack("\(path).securityContext.allowPrivilegeEscalation", true),
      Attack("\(path).securityContext.allowPrivilegeEscalation", nil), Attack("\(path).securityContext.readOnlyRootFilesystem", false),
      Attack("\(path).securityContext.capabilities.add", ["NET_RAW"]), Attack("\(path).securityContext.capabilities.drop", []),
      Attack("\(path).securityContext.procMount", "Unmasked"), Attack("\(path).securityContext.runAsUser", 0),
      Attack("\(path).securityContext.runAsNonRoot", false),
      Attack("\(path).securityContext", nil, "\(path).securityContext.allowPrivilegeEscalation"),
      Attack("\(path).ports[0]", ["containerPort": 80, "hostPort": 80], "\(path).ports[0].hostPort"),
      Attack("\(path).ports[0]", ["containerPort": 80, "hostIP": "0.0.0.0"], "\(path).ports[0].hostIP"),
      Attack("\(path).volumeDevices[0]", ["name": "data", "devicePath": "/dev/x"], "\(path).volumeDevices"),
      Attack("\(path).resources.claims[0]", ["name": "gpu"], "\(path).resources.claims"),
      Attack("\(path).image", "evil.example.com/x:1"),
      Attack("\(path).livenessProbe.httpGet", ["host": "169.254.169.254", "port": 80], "\(path).livenessProbe.httpGet.host"),
      Attack("\(path).readinessProbe.tcpSocket", ["host": "10.0.0.1", "port": 80], "\(path).readinessProbe.tcpSocket.host"),
      Attack("\(path).lifecycle.postStart.httpGet", ["host": "10.0.0.1", "port": 80], "\(path).lifecycle.postStart.httpGet.host"),
      Attack(
        "\(path).env[0]", ["name": "X", "valueFrom": ["secretKeyRef": ["name": "other", "key": "k"]]],
        "\(path).env[0].valueFrom.secretKeyRef"),
      Attack("\(path).envFrom[0]", ["secretRef": ["name": "other"]], "\(path).envFrom[0].secretRef"),
    ]
  }

  /// Only the names of the sources matter.
  private static let sources: [(String, JSONValue)] = [
    ("hostPath", ["path": "/"]), ("nfs", ["server": "x", "path": "/"]), ("csi", ["driver": "x"]), ("iscsi", [:]), ("ephemeral", [:]),
    ("image", ["reference": "x"]), ("gitRepo", ["repository": "x"]), ("flexVolume", ["driver": "x"]), ("rbd", [:]),
    ("persistentVolumeClaim", ["claimName": "other"]), ("configMap", ["name": "kube-root-ca.crt"]), ("secret", ["secretName": "other"]),
  ]

  private static let volumes: [Attack] = [
    Attack(
      "spec.volumes[4]", ["name": "x", "projected": ["sources": [["serviceAccountToken": ["path": "token"]]]]],
      "spec.volumes[4].projected.sources[0].serviceAccountToken"),
    Attack(
      "spec.volumes[4]",
      ["name": "x", "projected": ["sources": [["serviceAccountToken": ["audience": "https://kubernetes.default.svc", "path": "t"]]]]],
      "spec.volumes[4].projected.sources[0].serviceAccountToken"),
    Attack(
      "spec.volumes[4]", ["name": "x", "projected": ["sources": [["secret": ["name": "other"]]]]],
      "spec.volumes[4].projected.sources[0].secret"),
    Attack(
      "spec.volumes[4]", ["name": "x", "projected": ["sources": [["clusterTrustBundle": ["path": "x"]]]]],
      "spec.volumes[4].projected.sources[0].clusterTrustBundle"),
    // A second source beside a harmless one.
    Attack("spec.volumes[4]", ["name": "x", "emptyDir": [:], "hostPath": ["path": "/"]], "spec.volumes[4].hostPath"),
  ]

  private static let all: [Attack] = {
    var all = pod + contexts + containers + volumes
    for (kind, source) in sources {
      all.append(Attack("spec.volumes[4]", ["name": "x", "\(kind)": source], "spec.volumes[4].\(kind)"))
    }
    return all
  }()

  @Test(arguments: all)
  func isRefused(_ attack: Attack) throws {
    let own = try OwnPod.pod()
    var pod = own
    // A container that would pass, but for one thing.
    for kind in ["initContainers", "ephemeralContainers"] where attack.path.hasPrefix("spec.\(kind)") {
      var container = own["spec"]?["containers"]?[0] ?? .null
      container = container.setting("env", nil)
      pod = pod.setting("spec.\(kind)", [container])
    }
    let rules = try OwnPod.rules(images: ["registry.example.com/agents"])
    #expect(rules.problems(pod, in: try OwnPod.namespace(), isNew: true).isEmpty)
    let problems = rules.problems(pod.setting(attack.path, attack.value), in: try OwnPod.namespace(), isNew: true)
    #expect(problems.contains { $0.path == attack.refused ?? attack.path }, "\(problems)")
  }

  @Test func theOperatorsOwnPodPasses() throws {
    #expect(try OwnPod.rules().problems(try OwnPod.pod(), in: try OwnPod.namespace(), isNew: true) == [])
    // Its node is named by the scheduler, later.
    #expect(try OwnPod.rules().problems(try OwnPod.pod().setting("spec.nodeName", "n1"), in: try OwnPod.namespace(), isNew: false) == [])
    // A file from the secret store's own audience is no key to the cluster.
    let token: JSONValue = ["name": "x", "projected": ["sources": [["serviceAccountToken": ["audience": "vault", "path": "t"]]]]]
    #expect(try OwnPod.rules().problems(try OwnPod.pod().setting("spec.volumes[4]", token), in: try OwnPod.namespace(), isNew: true) == [])
  }

  /// Its files of secrets come from containers of the platform's own image, which an agent's image need not come from.
  @Test func theOneWithFilesOfSecretsPasses() throws {
    var facts = try TestCluster.configuration().cluster
    let image = "palana.example.com/palana:1"
    facts.secretFiles = .init(image: image, address: "https://bao.vault.svc:8200", mount: "kubernetes", audience: "vault")
    let binding = SecretBinding(
      metadata: ObjectMeta(name: try ResourceName("demo-db")),
      spec: SecretBindingSpec(
        owner: try UserIdentity(OwnPod.owner), agent: "demo", secret: "DB", access: .agentReadable, keys: [], hosts: [], places: [],
        revision: 1))
    let pod = try OwnPod.pod(facts, bindings: [binding])
    #expect(pod["spec"]?["initContainers"]?.array?.count == 2)
    for (own, isAllowed) in [([image], true), ([], false)] {
      let images = try AllowedImages(prefixes: ["registry.example.com/agents"], own: own)
      let problems = PodRules(images: images, hasUserNamespaces: false).problems(pod, in: try OwnPod.namespace(), isNew: true)
      #expect(problems.isEmpty == isAllowed, "\(problems)")
    }
  }

  @Test func userNamespacesAreDemandedWhereTheyAre() throws {
    let rules = try OwnPod.rules(hasUserNamespaces: true)
    #expect(rules.problems(try OwnPod.pod(), in: try OwnPod.namespace(), isNew: true).map(\.path) == ["spec.hostUsers"])
    var facts = try TestCluster.configuration().cluster
    facts.hasUserNamespaces = true
    #expect(rules.problems(try OwnPod.pod(facts), in: try OwnPod.namespace(), isNew: true) == [])
  }

  @Test(arguments: [
    ("CREATE", "ephemeralcontainers", AdmissionBench.alice, true), ("UPDATE", "ephemeralcontainers", "root@example.com", true),
    ("UPDATE", "ephemeralcontainers", "system:serviceaccount:palana-system:palana-operator", false),
  ])
  func onlyTheOperatorAddsContainers(_ operation: String, _ subresource: String, _ user: String, _ isRefused: Bool) throws {
    let pod = try OwnPod.pod()
    let judge = PodJudge(parties: Parties(administrators: [try UserIdentity("root@example.com")]), rules: try OwnPod.rules())
    var request = try Asked.request(
      user, operation == "CREATE" ? .create : .update, "pods", object: pod, old: pod, namespace: OwnPod.namespace())
    request.subresource = subresource
    let isAllowed = (try? judge.check(request)) != nil
    #expect(isAllowed != isRefused)
  }

  @Test func whatStaysAsItIsMayBeTouched() throws {
    let judge = PodJudge(parties: Parties(), rules: try OwnPod.rules())
    let old = try OwnPod.pod().setting("spec.hostNetwork", true)
    // A pod from before the rules gets its finalizer taken away.
    try judge.check(
      Asked.request("somebody", .update, "pods", object: old.setting("metadata.finalizers", []), old: old, namespace: OwnPod.namespace()))
    #expect(throws: AdmissionRefusal.self) {
      try judge.check(
        Asked.request(
          "somebody", .update, "pods", object: old.setting("spec.containers[0].image", "x"), old: old, namespace: OwnPod.namespace()))
    }
    let renamed = old.setting("metadata.labels", ["palana.dev/agent-id": "x"])
    let refusal = #expect(throws: AdmissionRefusal.self) {
      try judge.check(Asked.request("somebody", .update, "pods", object: renamed, old: old, namespace: OwnPod.namespace()))
    }
    #expect(refusal?.message.contains("says which agent this is, and stays") == true)
  }
}

@Suite struct PodDefaultsTests {
  @Test func theOperatorsOwnPodStaysAsItIs() throws {
    let pod = try OwnPod.pod()
    #expect(JSONPatch.operations(from: pod, to: try OwnPod.defaults().completed(pod)) == [])
  }

  private static let bare: JSONValue = [
    "metadata": ["name": "x"],
    "spec": [
      "serviceAccountName": "default", "serviceAccount": "default", "enableServiceLinks": true, "securityContext": [:],
      "initContainers": [["name": "prepare", "image": "x"]],
      "containers": [
        [
          "name": "main", "image": "x", "env": [["name": "HTTPS_PROXY", "value": "own"]],
          "volumeMounts": [
            ["name": "kube-api-access-abcde", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true]
          ],
        ]
      ],
      "volumes": [
        ["name": "kube-api-access-abcde", "projected": ["sources": [["serviceAccountToken": ["path": "token"]]]]],
        ["name": "scratch", "emptyDir": [:]],
      ],
    ],
  ]

  @Test func aBarePodBecomesOneThatPasses() throws {
    let completed = try OwnPod.defaults().completed(Self.bare)
    #expect(try OwnPod.rules().problems(completed, in: try OwnPod.namespace(), isNew: true) == [])
    let spec = completed["spec"]
    #expect(spec?["serviceAccountName"] == "agent" && spec?["serviceAccount"] == "agent" && spec?["enableServiceLinks"] == false)
    #expect(spec?["volumes"]?.array?.compactMap { $0["name"]?.string } == ["scratch", "authority", "tmp"])
    #expect(spec?["volumes"]?[0]?["emptyDir"] == ["sizeLimit": "1Gi"])
    for kind in ["initContainers", "containers"] {
      let container = spec?[kind]?[0]
      #expect(
        container?["volumeMounts"]?.array?.compactMap { $0["mountPath"]?.string } == [
          "/etc/palana", "/etc/ssl/certs/ca-certificates.crt", "/tmp",
        ])
      let names = container?["env"]?.array?.compactMap { $0["name"]?.string } ?? []
      #expect(names.first == "PALANA_PROXY_TOKEN" && Set(["HTTP_PROXY", "https_proxy", "SSL_CERT_FILE", "NO_PROXY"]).isSubset(of: names))
      #expect(Set(names).count == names.count)
    }
    // What somebody wrote is theirs; it leads nowhere else.
    #expect(spec?["containers"]?[0]?["env"]?.array?.contains(["name": "HTTPS_PROXY", "value": "own"]) == true)
  }

  @Test func nothingHappensTheSecondTime() throws {
    let once = try OwnPod.defaults().completed(Self.bare)
    #expect(try OwnPod.defaults().completed(once) == once)
  }

  /// A demand for more than an agent has is not silently turned into less: its author reads why it cannot be.
  @Test func whatIsWrittenIsNotReplaced() throws {
    for (path, value) in [
      ("spec.automountServiceAccountToken", true), ("spec.securityContext.runAsUser", 0), ("spec.hostNetwork", true),
      ("spec.containers[0].securityContext.allowPrivilegeEscalation", true), ("spec.serviceAccountName", "other"),
    ] as [(String, JSONValue)] {
      let completed = try OwnPod.defaults().completed(Self.bare.setting(path, value))
      #expect(
        try OwnPod.rules().problems(completed, in: try OwnPod.namespace(), isNew: true).contains { $0.path.hasPrefix(path) }, "\(path)")
    }
  }
}
