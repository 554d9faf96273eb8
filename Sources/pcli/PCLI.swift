import PalanaCommands

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The command line of Palana.
@main
enum Main {
  static func main() async {
    exit(await PalanaCommandLine.run(Array(CommandLine.arguments.dropFirst())))
  }
}
