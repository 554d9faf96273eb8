/// Waits until `count` changes no more, or has reached `most`.
///
/// - Returns: what it came to. A writer whose reader does not bound what it keeps reaches `most`.
func standstill(below most: Int, _ count: () -> Int) async throws -> Int {
  var last = -1
  var unchanged = 0
  while unchanged < 20, last < most {
    try await Task.sleep(for: .milliseconds(10))
    let now = count()
    unchanged = now == last ? unchanged + 1 : 0
    last = now
  }
  return last
}
