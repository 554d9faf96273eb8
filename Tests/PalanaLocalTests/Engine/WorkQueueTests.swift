import PalanaLocal
import Testing

@Suite struct WorkQueueTests {
  @Test func aKeyWaitsOnceAndComesBackWhenAddedDuringWork() async {
    let queue = WorkQueue<String>()
    await queue.add("a")
    await queue.add("a")
    await queue.add("b")
    #expect(await queue.next() == "a")
    await queue.add("a")
    #expect(await queue.next() == "b", "a is being worked on: nobody else gets it")
    await queue.finish("a")
    #expect(await queue.next() == "a")
    await queue.finish("a")
    await queue.finish("b")
    await queue.add("c")
    #expect(await queue.next() == "c", "nothing is left over")
  }

  @Test func aDelayedKeyComes() async {
    let queue = WorkQueue<Int>()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await queue.runTimer() }
      await queue.add(2, after: .milliseconds(20))
      await queue.add(1, after: .milliseconds(1))
      #expect(await queue.next() == 1)
      #expect(await queue.next() == 2)
      await queue.shutDown()
    }
  }

  @Test func shutDownEndsEveryWait() async {
    let queue = WorkQueue<Int>()
    await withTaskGroup(of: Int?.self) { group in
      for _ in 0..<3 { group.addTask { await queue.next() } }
      group.addTask {
        await queue.runTimer()
        return nil
      }
      await queue.shutDown()
      for await key in group { #expect(key == nil) }
    }
    #expect(await queue.next() == nil)
  }
}
