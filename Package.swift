// swift-tools-version: 6.2
import PackageDescription

/// One entry of the module table: what it is, which layer it stands on, and what it may use.
struct Module {
  var name: String
  var uses: [Target.Dependency]
  var testUses: [Target.Dependency] = []
  var hasTests = true
  /// Recorded files of the tests, which are read where they lie.
  var testExcludes: [String] = []
  var resources: [Resource] = []
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let atomics: Target.Dependency = .product(name: "Atomics", package: "swift-atomics")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let grpcCore: Target.Dependency = .product(name: "GRPCCore", package: "grpc-swift-2")
let grpcPosix: Target.Dependency = .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grpcProtobuf: Target.Dependency = .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let jwtKit: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioFoundation: Target.Dependency = .product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHPACK: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let swiftProtobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let swiftASN1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

// The layers of design/architecture: arrows only go down, a service never uses another service.
// `scripts/check-layers` reads this table from the package's own description and the imports from the sources.
let modules: [Module] = [
  // Layer 0: values and decisions.
  Module(name: "PalanaCore", uses: [crypto]),
  Module(name: "PalanaAPI", uses: ["PalanaCore"], testUses: [yams], testExcludes: ["Golden"]),
  Module(name: "PalanaAudit", uses: ["PalanaCore", crypto]),
  Module(name: "PalanaPolicy", uses: ["PalanaCore", "PalanaAPI", crypto]),
  // Layer 1: clients of one outside thing each.
  Module(
    name: "PalanaOPA",
    uses: ["PalanaCore", "PalanaPolicy", asyncHTTPClient, crypto, logging, nioCore, nioFoundation, nioHTTP1, nioPosix]),
  Module(
    name: "PalanaSecrets",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaPolicy", asyncHTTPClient, jwtKit, logging, nioCore, nioFoundation, nioHTTP1, nioPosix,
      nioSSL, serviceLifecycle,
    ], testUses: [cryptoExtras]),
  Module(name: "PalanaControlAPI", uses: ["PalanaCore", "PalanaAPI", "PalanaAudit"]),
  Module(
    name: "PalanaStore",
    uses: ["PalanaCore", "PalanaAPI", "PalanaAudit", crypto, grdb, grdbSQLite, logging, serviceLifecycle],
    testUses: ["Fuzzing"]),
  Module(name: "PalanaManifests", uses: ["PalanaCore", yams], hasTests: false),
  Module(
    name: "PalanaKube",
    uses: [
      "PalanaCore", asyncHTTPClient, deque, logging, nioCore, nioHTTP1, nioPosix, nioSSL, nioWebSocket, serviceLifecycle,
      subprocess, yams,
    ], testUses: ["Fuzzing", "KubeTestServer", "PalanaAPI", crypto, swiftASN1, x509]),
  // Layer 2: from what is wanted to what an engine applies.
  Module(
    name: "PalanaPlan", uses: ["PalanaCore", "PalanaAPI", "PalanaPolicy"], testUses: ["PalanaManifests", yams],
    testExcludes: ["FirewallGolden", "KubernetesGolden", "PlanGolden"]),
  Module(name: "PalanaAttack", uses: ["PalanaCore", "PalanaControlAPI", "CLinux"], testUses: [nioCore, nioPosix]),
  // Layer 3: services.
  Module(
    name: "PalanaLocal",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaSecrets", "PalanaStore", "PalanaPlan", "CLinux", "CSeccomp", crypto, logging,
      serviceLifecycle, subprocess, nioCore, nioPosix,
    ]),
  Module(
    name: "PalanaEgress",
    uses: [
      "PalanaCore", "PalanaAudit", "PalanaPolicy", "PalanaSecrets", "CResolve", "CZlib", atomics, crypto, deque, logging,
      nioCore, nioPosix, nioHPACK, nioHTTP1, nioHTTP2, nioTLS, nioSSL, serviceLifecycle, swiftASN1, x509,
    ], testUses: ["Fuzzing", nioEmbedded], testExcludes: ["Fuzz/LibFuzzer"]),
  Module(
    name: "PalanaControl",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaPolicy", "PalanaSecrets", "PalanaStore", "PalanaPlan",
      "PalanaControlAPI", crypto, hummingbird, httpTypes, logging, nioCore, nioHTTP1, nioPosix, nioSSL, serviceLifecycle,
    ], testUses: [asyncHTTPClient, nioFoundation, subprocess]),
  Module(
    name: "PalanaOperator",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaPolicy", "PalanaKube", "PalanaPlan", "PalanaSecrets", crypto, httpTypes,
      hummingbird, hummingbirdTLS, logging, nioCore, nioSSL, swiftASN1, x509,
    ],
    testUses: ["KubeTestServer", "PalanaManifests", asyncHTTPClient, nioCore, nioHTTP1, nioSSL], testExcludes: ["Golden"]),
  Module(
    name: "PalanaCluster",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaStore", "PalanaControlAPI", "PalanaKube", "PalanaPlan", crypto, logging, nioCore, serviceLifecycle,
    ], testUses: ["KubeTestServer", "PalanaManifests", nioHTTP1, nioPosix, nioWebSocket]),
  Module(
    name: "PalanaLLM",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaSecrets", "PalanaStore", "CRE2", asyncHTTPClient, crypto, logging, nioCore, nioHTTP1,
      nioPosix, nioSSL, serviceLifecycle,
    ], testUses: ["Fuzzing", nioEmbedded, nioHTTP2, swiftASN1, x509], testExcludes: ["Dialects/Golden"]),
  // One step above the gateway, whose checks and decisions it puts in front of another data plane.
  Module(
    name: "PalanaEnvoy",
    uses: [
      "PalanaCore", "PalanaAudit", "PalanaPolicy", "PalanaSecrets", "PalanaEgress", grpcCore, grpcPosix, grpcProtobuf,
      logging, nioCore, nioPosix, serviceLifecycle, subprocess, swiftProtobuf,
    ],
    testUses: ["PalanaAPI", crypto, nioSSL, swiftASN1, x509],
    testExcludes: ["Golden"]),
  // Layer 4: what a person starts.
  Module(
    name: "PalanaCommands",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaControlAPI", "PalanaManifests", argumentParser, asyncHTTPClient, nioCore, nioHTTP1,
      nioPosix, nioSSL, unixSignals, yams,
    ],
    testExcludes: ["Golden"]),
  Module(
    name: "PalanaBootstrap",
    uses: [
      "PalanaCore", "PalanaAPI", "PalanaAudit", "PalanaPolicy", "PalanaOPA", "PalanaSecrets", "PalanaStore", "PalanaControlAPI",
      "PalanaManifests", "PalanaKube", "PalanaPlan", "PalanaAttack", "PalanaLocal", "PalanaEgress", "PalanaEnvoy", "PalanaControl",
      "PalanaOperator", "PalanaCluster", "PalanaLLM", "CProcess",
      argumentParser, asyncHTTPClient,
      crypto, hummingbird, httpTypes, logging, nioCore, nioFoundation, nioHTTP1, nioPosix, nioSSL,
      serviceLifecycle, unixSignals, yams,
    ], testUses: ["KubeTestServer", grdb]),
]

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// `scripts/fuzz` builds the fuzz targets of the tests into a program of libFuzzer, in place of the tests.
let isFuzzed = Context.environment["PALANA_FUZZ"] != nil

var targets: [Target] = [
  .systemLibrary(
    name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
  .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
  .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  .target(name: "CLinux"),
  .target(name: "CProcess"),
  .target(name: "CResolve", linkerSettings: [.linkedLibrary("resolv")]),
  .executableTarget(name: "pcli", dependencies: ["PalanaCommands"], swiftSettings: settings),
  .executableTarget(name: "palanad", dependencies: ["PalanaBootstrap", argumentParser], swiftSettings: settings),
]
for module in modules {
  targets.append(
    .target(
      name: module.name, dependencies: module.uses, resources: module.resources, swiftSettings: settings))
  guard module.hasTests, !isFuzzed else { continue }
  targets.append(
    .testTarget(
      name: module.name + "Tests",
      dependencies: [.target(name: module.name)] + module.uses + module.testUses,
      exclude: module.testExcludes,
      swiftSettings: settings))
}

// What is tried in a fuzz target, how, and what must hold; it knows no module of ours.
targets.append(.target(name: "Fuzzing", path: "Tests/Fuzzing", swiftSettings: settings))

if !isFuzzed {
  // Starts API servers for the tests of several modules; it knows none of ours.
  targets.append(.target(name: "KubeTestServer", path: "Tests/KubeTestServer", swiftSettings: settings))
}

if isFuzzed {
  targets.append(
    .executableTarget(
      name: "palana-fuzz",
      dependencies: [
        "Fuzzing", "PalanaEgress", "PalanaKube", "PalanaLLM", "PalanaStore", "PalanaAudit", "PalanaCore", "PalanaAPI", "PalanaPolicy",
        "PalanaSecrets", nioCore,
        nioEmbedded, nioHPACK, nioHTTP2,
      ],
      path: "Tests",
      sources: [
        "PalanaEgressTests/Fuzz/Targets", "PalanaEgressTests/Fuzz/LibFuzzer", "PalanaKubeTests/Fuzz/Targets",
        "PalanaStoreTests/Fuzz/Targets",
        "PalanaLLMTests/Dialects/Fuzz/Targets",
      ],
      swiftSettings: settings))
}

let package = Package(
  name: "palana",
  products: [
    .executable(name: "pcli", targets: ["pcli"]),
    .executable(name: "palanad", targets: ["palanad"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-asn1", exact: "1.7.4"),
    .package(url: "https://github.com/apple/swift-atomics", exact: "1.3.0"),
    .package(url: "https://github.com/apple/swift-certificates", exact: "1.21.1"),
    .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", exact: "1.39.0"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", exact: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", exact: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", exact: "2.4.1"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
    .package(url: "https://github.com/vapor/jwt-kit", exact: "5.7.1"),
  ],
  targets: targets
)
