import ArgumentParser
import PalanaBootstrap

@main
enum Palanad {
  static func main() async { await PalanadCommand.main() }
}
