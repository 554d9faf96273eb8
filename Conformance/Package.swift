// swift-tools-version: 6.2
import PackageDescription

// Attacks a running egress gateway from outside, as an agent would, and knows none of the product's modules.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let hpack: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "palana-conformance",
  products: [
    .library(name: "EgressCases", targets: ["EgressCases"]),
    .executable(name: "egress-cases", targets: ["egress-cases"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
  ],
  targets: [
    .target(name: "CNamespace"),
    .target(name: "EgressCases", dependencies: ["CNamespace", nioCore, nioPosix, nioTLS, nioSSL, hpack], swiftSettings: settings),
    .executableTarget(
      name: "egress-cases", dependencies: ["EgressCases", argumentParser], swiftSettings: settings),
  ]
)
