import PalanaAPI
import PalanaCore
import PalanaStore

extension LedgerBook {
  /// Takes everything that a call may use from every budget that speaks of it, or nothing.
  mutating func reserve(_ claim: Claim) -> Result<Reservation, Refusal.Overrun> {
    let (time, starts) = starts(at: claim.time)
    let index = entry(for: claim, starts: starts)
    roll(entry: index, to: starts)
    let (price, isKnown) =
      entries[index].isEveryModel ? prices.price(of: claim.model) : (entries[index].price, entries[index].isPriceKnown)
    let cost = LedgerBounds.cost(price.atMost(input: claim.input, output: claim.output))
    let amounts = LLMAmounts(tokens: LLMAmounts.sum(claim.input, claim.output), cost: cost, requests: 1)

    let applying = entries[index].counters
    var overrun: Refusal.Overrun?
    for counter in applying {
      roll(counter: counter, to: starts)
      check(counter, amounts, time, &overrun)
    }
    if let overrun {
      refuse(entries[index].key, starts)
      return .failure(overrun)
    }

    for counter in applying {
      counters[counter].standing.reserved.add(amounts)
      counters[counter].open += 1
    }
    for place in entries[index].standings.indices { entries[index].standings[place].reserved.add(amounts) }
    entries[index].open += 1
    lastNumber += 1
    let slot = keep(Slot(number: lastNumber, entry: index, amounts: amounts, starts: starts))
    return .success(
      Reservation(
        time: time, input: claim.input, output: claim.output, cost: cost, isPriceKnown: isKnown, price: price, number: lastNumber,
        slot: slot, who: entries[index].who, investigation: claim.investigation))
  }

  /// Puts what a call used in the place of what was reserved for it, in the windows of the reservation, as far as they go on.
  /// - Parameter used: nil: nothing reached the model.
  /// - Returns: nil when it was given back before; else the warnings that are due, of a call that used something.
  mutating func close(_ reservation: Reservation, used: LLMAmounts?) -> [(BudgetWarning, LLMWarningMark)]? {
    guard slots.indices.contains(reservation.slot), slots[reservation.slot].number == reservation.number else { return nil }
    let slot = slots[reservation.slot]
    slots[reservation.slot].number = 0
    freeSlots.append(reservation.slot)

    entries[slot.entry].open -= 1
    for (place, window) in Self.windows.enumerated() where entries[slot.entry].starts[window] == slot.starts[window] {
      entries[slot.entry].standings[place].settle(slot.amounts, used: used ?? LLMAmounts())
    }
    var warnings: [(BudgetWarning, LLMWarningMark)] = []
    for counter in entries[slot.entry].counters {
      counters[counter].open -= 1
      let rule = rules[counters[counter].rule]
      guard let window = rule.window, counters[counter].start == slot.starts[window] else { continue }
      counters[counter].standing.settle(slot.amounts, used: used ?? LLMAmounts())
      guard used != nil, !counters[counter].isWarned, let figures = isAtWarning(counter) else { continue }
      let mark = mark(rule, window, counters[counter])
      counters[counter].isWarned = true
      warned.insert(mark)
      warnings.append((BudgetWarning(figures: figures, warnsAt: rule.warnsAt), mark))
    }
    return warnings
  }

  private mutating func keep(_ slot: Slot) -> Int {
    guard let free = freeSlots.popLast() else {
      slots.append(slot)
      return slots.count - 1
    }
    slots[free] = slot
    return free
  }

  private func check(_ index: Int, _ asked: LLMAmounts, _ time: Timestamp, _ worst: inout Refusal.Overrun?) {
    let counter = counters[index]
    switch rules[counter.rule].limit {
    case .concurrency(let limit):
      if counter.open >= limit { consider(index, .concurrency, limit, 1, time, &worst) }
    case .window(_, let tokens, let cost, let requests):
      let standing = counter.standing
      if let tokens, LLMAmounts.sum(LLMAmounts.sum(standing.used.tokens, standing.reserved.tokens), asked.tokens) > tokens {
        consider(index, .tokens, tokens, asked.tokens, time, &worst)
      }
      if let cost, standing.used.cost + standing.reserved.cost + asked.cost > cost {
        consider(index, .cost, cost.nanoDollars, asked.cost.nanoDollars, time, &worst)
      }
      if let requests, LLMAmounts.sum(LLMAmounts.sum(standing.used.requests, standing.reserved.requests), 1) > requests {
        consider(index, .requests, requests, 1, time, &worst)
      }
    }
  }

  /// Of two limits in the way, the one that stays there longer: for good, or until a later time; calls at once end soonest.
  private func consider(
    _ counter: Int, _ measure: BudgetFigures.Measure, _ limit: Int64, _ asked: Int64, _ time: Timestamp, _ worst: inout Refusal.Overrun?
  ) {
    let new = Refusal.Overrun(figures: figures(counter, measure, limit), asked: asked, time: time)
    func rank(_ overrun: Refusal.Overrun) -> Int64 {
      overrun.isTooLarge ? .max : overrun.figures.resetsAt?.microseconds ?? .min
    }
    if let worst, rank(worst) >= rank(new) { return }
    worst = new
  }
}
