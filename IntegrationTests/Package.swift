// swift-tools-version: 6.2
import PackageDescription

// Drives the built binaries from outside, as people and programs do: it knows none of the product's modules.
let package = Package(
  name: "palana-integration-tests",
  dependencies: [
    .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2")
  ],
  targets: [
    .testTarget(
      name: "IntegrationTests",
      dependencies: [.product(name: "Subprocess", package: "swift-subprocess")],
      swiftSettings: [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
      ])
  ]
)
