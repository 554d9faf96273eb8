/// Annotations by which the reaper speaks to whatever runs agents.
package enum IdleAnnotation {
  /// The generation of the spec at which the agent was found idle, in decimal digits.
  package static let idle = "palana.dev/idle"
  /// When it was said last that the agent will be stopped, RFC 3339.
  package static let warned = "palana.dev/idle-warned"
}

extension Resource where Spec == AgentSpec {
  /// Whether its process rests because it did nothing for too long. Any later change of the spec, so also every way to start it, wakes it.
  package var isIdle: Bool {
    guard let mark = metadata.annotations?[IdleAnnotation.idle], let generation = metadata.generation else { return false }
    return mark == String(generation)
  }
}
