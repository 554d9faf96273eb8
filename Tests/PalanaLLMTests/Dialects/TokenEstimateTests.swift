import Testing

@testable import PalanaLLM

@Suite struct TokenEstimateTests {
  /// Texts with the largest count of the vocabularies cl100k, o200k and DeepSeek V3, counted once.
  static let samples: [(String, Int64)] = [
    // english
    (
      "The gateway stands between the agent and the provider. It knows which agent asks, what the agent may spend today, and which model the platform has chosen for it. When a request comes in, the tokens are estimated and the money is set aside; when the answer has been given, what was really used is written down and the rest is given back. Nobody has to trust the agent, because nobody asks it.",
      83
    ),
    // german
    (
      "Das Gateway steht zwischen dem Agenten und dem Anbieter. Es weiß, welcher Agent fragt, was er heute noch ausgeben darf und welches Modell die Plattform für ihn ausgewählt hat. Kommt eine Anfrage herein, so werden die Token geschätzt und das Geld zurückgelegt; ist die Antwort gegeben, wird der tatsächliche Verbrauch verbucht und der Rest freigegeben. Größere Überraschungen bleiben dadurch aus.",
      103
    ),
    // french
    (
      "La passerelle se trouve entre l'agent et le fournisseur. Elle sait quel agent demande, ce qu'il peut encore dépenser aujourd'hui et quel modèle la plateforme a choisi pour lui. Dès qu'une requête arrive, le nombre de jetons est estimé et l'argent réservé ; une fois la réponse donnée, la consommation réelle est enregistrée et le reste est libéré.",
      90
    ),
    // spanish
    (
      "La pasarela está entre el agente y el proveedor. Sabe qué agente pregunta, cuánto puede gastar todavía hoy y qué modelo ha elegido la plataforma para él. Cuando llega una petición, se estiman los tokens y se aparta el dinero; cuando se ha dado la respuesta, se anota lo que realmente se ha usado y se devuelve el resto.",
      85
    ),
    // polish
    (
      "Brama stoi między agentem a dostawcą. Wie, który agent pyta, ile może jeszcze dziś wydać i jaki model wybrała dla niego platforma. Gdy przychodzi żądanie, liczba tokenów zostaje oszacowana, a pieniądze odłożone; po udzieleniu odpowiedzi zapisuje się rzeczywiste zużycie i zwalnia resztę. Dzięki temu większe niespodzianki się nie zdarzają.",
      120
    ),
    // russian
    (
      "Шлюз стоит между агентом и поставщиком. Он знает, какой агент спрашивает, сколько тот ещё может потратить сегодня и какую модель выбрала для него платформа. Когда приходит запрос, число токенов оценивается, а деньги откладываются; когда ответ дан, записывается действительный расход, а остаток возвращается.",
      127
    ),
    // greek
    (
      "Η πύλη στέκεται ανάμεσα στον πράκτορα και τον πάροχο. Ξέρει ποιος πράκτορας ρωτά, πόσα μπορεί ακόμη να ξοδέψει σήμερα και ποιο μοντέλο έχει επιλέξει γι' αυτόν η πλατφόρμα. Όταν έρχεται ένα αίτημα, τα χρήματα δεσμεύονται.",
      195
    ),
    // arabic
    (
      "تقف البوابة بين الوكيل ومزود الخدمة. وهي تعرف أي وكيل يسأل، وكم يمكنه أن ينفق اليوم، وأي نموذج اختارته له المنصة. عندما يصل طلب يقدَّر عدد الرموز ويُحجز المال، وبعد إعطاء الجواب يسجَّل الاستهلاك الحقيقي ويُعاد الباقي.",
      158
    ),
    // hindi
    (
      "गेटवे एजेंट और प्रदाता के बीच खड़ा है। वह जानता है कि कौन सा एजेंट पूछ रहा है, वह आज और कितना खर्च कर सकता है, और मंच ने उसके लिए कौन सा मॉडल चुना है। जब कोई अनुरोध आता है, तो टोकन का अनुमान लगाया जाता है और पैसा अलग रखा जाता है।",
      240
    ),
    // thai
    (
      "เกตเวย์อยู่ระหว่างเอเจนต์กับผู้ให้บริการ มันรู้ว่าเอเจนต์ใดกำลังถาม วันนี้ยังใช้เงินได้อีกเท่าไร และแพลตฟอร์มเลือกโมเดลใดให้ เมื่อมีคำขอเข้ามา จำนวนโทเค็นจะถูกประมาณและเงินจะถูกกันไว้",
      170
    ),
    // chinese
    ("网关位于代理和模型提供商之间。它知道是哪个代理在提问，今天还可以花多少钱，以及平台为它选择了哪个模型。当请求到来时，系统会估算令牌数量并预留资金；得到回答以后，再记录实际的用量，并把剩余的金额退还。因此不会出现意外的账单。", 117),
    // japanese
    (
      "ゲートウェイはエージェントとプロバイダーの間に立っています。どのエージェントが質問しているのか、今日あといくら使えるのか、そしてプラットフォームがどのモデルを選んだのかを知っています。リクエストが届くと、トークン数を見積もり、金額を確保します。回答が返ると、実際の使用量を記録します。",
      134
    ),
    // korean
    ("게이트웨이는 에이전트와 제공자 사이에 있습니다. 어떤 에이전트가 요청하는지, 오늘 얼마를 더 쓸 수 있는지, 그리고 플랫폼이 어떤 모델을 선택했는지 알고 있습니다. 요청이 들어오면 토큰 수를 추정하고 금액을 예약합니다.", 118),
    // swift
    (
      "/// Goes through one document and keeps what is asked for.\nmutating func read(_ bytes: borrowing Span<UInt8>, at root: Place) throws(JSONFlaw) {\n  let first = try tokens.next(bytes)\n  guard case .beginObject = first else { throw JSONFlaw(kind: .expected(\"an object\"), offset: 0) }\n  while case .name(let name) = try tokens.next(bytes) {\n    switch root.member(name.range, bytes) {\n    case .object(let place): try walk(place, bytes)\n    case .number(let field): usage[field] = try number(bytes) ?? 0\n    default: _ = try tokens.skip(bytes)\n    }\n  }\n}\n",
      152
    ),
    // python
    (
      "import asyncio\nfrom collections import defaultdict\n\nclass Budget:\n    def __init__(self, limit: int) -> None:\n        self.limit = limit\n        self.spent = defaultdict(int)\n\n    async def reserve(self, agent: str, tokens: int) -> bool:\n        async with self._lock:\n            if self.spent[agent] + tokens > self.limit:\n                return False\n            self.spent[agent] += tokens\n            return True\n\n\nif __name__ == \"__main__\":\n    asyncio.run(main())\n",
      115
    ),
    // c
    (
      "static int ring_push(struct ring *r, const uint8_t *src, size_t len)\n{\n\tif (len > r->cap - r->len)\n\t\treturn -ENOSPC;\n\tfor (size_t i = 0; i < len; i++)\n\t\tr->buf[(r->head + r->len + i) & (r->cap - 1)] = src[i];\n\tr->len += len;\n\treturn 0;\n}\n",
      94
    ),
    // json
    (
      "[{\"id\": 0, \"agent\": \"agent-0\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1200, \"completion_tokens\": 88, \"cached\": true}, \"cost\": 0.0}, {\"id\": 1, \"agent\": \"agent-1\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1237, \"completion_tokens\": 89, \"cached\": true}, \"cost\": 0.001234}, {\"id\": 2, \"agent\": \"agent-2\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1274, \"completion_tokens\": 90, \"cached\": true}, \"cost\": 0.002468}, {\"id\": 3, \"agent\": \"agent-3\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1311, \"completion_tokens\": 91, \"cached\": true}, \"cost\": 0.0037020000000000004}, {\"id\": 4, \"agent\": \"agent-4\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1348, \"completion_tokens\": 92, \"cached\": true}, \"cost\": 0.004936}, {\"id\": 5, \"agent\": \"agent-5\", \"model\": \"gpt-4.1-mini\", \"usage\": {\"prompt_tokens\": 1385, \"completion_tokens\": 93, \"cached\": true}, \"cost\": 0.00617}]",
      389
    ),
    // schema
    (
      "{\"type\": \"object\", \"properties\": {\"path\": {\"type\": \"string\", \"description\": \"Absolute path of the file\"}, \"line\": {\"type\": \"integer\", \"minimum\": 1}, \"mode\": {\"type\": \"string\", \"enum\": [\"read\", \"write\"]}}, \"required\": [\"path\"], \"additionalProperties\": false}",
      74
    ),
    // csv
    (
      "time,agent,in,out,usd\n2026-11-01T01:11:23Z,a1,731,97,0.00173\n2026-11-02T02:12:23Z,a2,1462,194,0.00346\n2026-11-03T03:13:23Z,a3,2193,291,0.00519\n2026-11-04T04:14:23Z,a4,2924,388,0.00692\n2026-11-05T05:15:23Z,a5,3655,485,0.00865\n2026-11-06T06:10:23Z,a6,4386,582,0.01038\n2026-11-07T07:11:23Z,a7,5117,679,0.01211\n2026-11-08T08:12:23Z,a8,5848,776,0.01384\n2026-11-09T09:13:23Z,a9,6579,62,0.01557\n2026-11-10T00:14:23Z,a10,7310,159,0.01730\n2026-11-11T01:15:23Z,a11,8041,256,0.01903\n2026-11-12T02:10:23Z,a12,8772,353,0.02076\n2026-11-13T03:11:23Z,a13,9503,450,0.02249\n2026-11-14T04:12:23Z,a14,261,547,0.02422\n2026-11-15T05:13:23Z,a15,992,644,0.02595\n",
      397
    ),
    // log
    (
      "2026-11-27T17:01:09.037Z INFO gateway request id=7f1eef agent=demo-1 status=200 bytes=1337 ms=1.1\n2026-11-27T17:02:09.074Z INFO gateway request id=7f3dde agent=demo-2 status=200 bytes=2674 ms=2.2\n2026-11-27T17:03:09.111Z INFO gateway request id=7f5ccd agent=demo-3 status=200 bytes=4011 ms=3.3\n2026-11-27T17:04:09.148Z INFO gateway request id=7f7bbc agent=demo-4 status=200 bytes=5348 ms=4.4\n2026-11-27T17:05:09.185Z INFO gateway request id=7f9aab agent=demo-5 status=200 bytes=6685 ms=5.5\n2026-11-27T17:06:09.222Z INFO gateway request id=7fb99a agent=demo-6 status=200 bytes=8022 ms=6.6\n2026-11-27T17:07:09.259Z INFO gateway request id=7fd889 agent=demo-7 status=200 bytes=9359 ms=7.0\n2026-11-27T17:08:09.296Z INFO gateway request id=7ff778 agent=demo-8 status=200 bytes=10696 ms=8.1\n2026-11-27T17:09:09.333Z INFO gateway request id=7f1667 agent=demo-9 status=200 bytes=12033 ms=0.2\n2026-11-27T17:10:09.370Z INFO gateway request id=7f3556 agent=demo-10 status=200 bytes=13370 ms=1.3\n2026-11-27T17:11:09.407Z INFO gateway request id=7f5445 agent=demo-11 status=200 bytes=14707 ms=2.4\n",
      464
    ),
    // sql
    (
      "SELECT a.name, sum(u.input) AS tokens_in, sum(u.output) AS tokens_out FROM usage u JOIN agents a ON a.id = u.agent WHERE u.at >= now() - interval '7 days' GROUP BY a.name HAVING sum(u.cost) > 100 ORDER BY 3 DESC LIMIT 20;",
      69
    ),
    // markdown
    (
      "# Budgets\n\n| agent | today | month |\n| --- | ---: | ---: |\n| demo | $1.20 | $34.10 |\n| night | $0.00 | $2.75 |\n\n- [x] write the table\n- [ ] **test** `./pcli budgets`\n\n> Money is counted in nano-dollars.\n",
      76
    ),
    // hex
    (
      "4dff4ea340f0a823f15d3f4f01ab62eae0e5da579ccb851f8db9dfe84c58b2b37b89903a740e1ee172da793a6e79d560e5f7f9bd058a12a280433ed6fa46510a40b244112641dd78dd4f93b6c9190dd46e0099194d5a44257b7efad6ef9ff4683da1eda0244448cb343aa688f5d3efd7314dafe580ac0bcbf115aeca9e8dc114",
      149
    ),
  ]

  @Test(arguments: samples) func isHardlyBelowWhatTokenizersCount(_ text: String, _ real: Int64) {
    let estimate = TokenEstimate.tokens(in: text)
    #expect(Double(estimate) >= 0.93 * Double(real))
    #expect(Double(estimate) <= 3 * Double(real))
  }

  @Test func countsPartsOfARequest() {
    var call = ModelCall(dialect: .openAIChat, model: "m")
    #expect(TokenEstimate.input(of: call) == 16)
    call.prompt = TextSize(letters: 7, signs: 6, other: 8)
    call.promptTokens = 100
    call.images = 2
    call.fileBytes = 4_000
    #expect(TokenEstimate.input(of: call) == 16 + 2 + 5 + 5 + 100 + 5_000 + 1_000)
  }

  @Test func absurdSizesDoNotOverflow() {
    let size = TextSize(letters: .max, signs: .max, other: .max)
    #expect(TokenEstimate.tokens(in: size) > 1_000_000_000)
    #expect(TokenEstimate.tokens(in: TextSize(letters: -1)) == 0)
  }

  @Test func countsEachByteOnce() {
    let text = String((0..<0x250).compactMap(Unicode.Scalar.init).map(Character.init))
    for start in 0..<24 {
      let part = String(text.unicodeScalars.dropFirst(start))
      let scalars = part.unicodeScalars.filter(\.isASCII)
      let letters = scalars.count { $0.properties.isAlphabetic || $0.value <= 32 }
      let size = TextSize(part)
      #expect(size == TextSize(letters: letters, signs: scalars.count - letters, other: part.utf8.count - scalars.count))
    }
  }
}
