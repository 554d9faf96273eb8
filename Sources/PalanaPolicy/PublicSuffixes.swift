/// Names under which anybody can register or be given a name: a wildcard directly in front of one trusts strangers.
///
/// A curated extract of what registries and big hosters delegate, not the whole public suffix list. A name that is
/// missing makes a written rule wider than its author may think; it never changes what a pattern matches.
enum PublicSuffixes {
  /// Whether `name` (canonical) is a public suffix. Every single label is one.
  static func contains(_ name: String) -> Bool {
    guard let dot = name.utf8.firstIndex(of: UInt8(ascii: ".")) else { return true }
    return names.contains(name) || parents.contains(String(name[name.utf8.index(after: dot)...]))
  }

  /// Suffixes below which each single label is a public suffix too (a customer, a region, a registry's second level).
  private static let parents = words(
    """
    ck er fk jm kh mm np pg bd compute.amazonaws.com compute.amazonaws.com.cn compute.estate nom.br kawasaki.jp
    kitakyushu.jp kobe.jp nagoya.jp sapporo.jp sendai.jp yokohama.jp
    """)

  private static let names: Set<String> = {
    var all = words(hosters)
    var country: Substring = ""
    // A line that starts with two letters alone names the country; what follows are labels below it.
    for line in registries.split(separator: "\n") {
      var labels = line.split(separator: " ")
      if !line.hasPrefix("  ") { country = labels.removeFirst() }
      for label in labels { all.insert("\(label).\(country)") }
    }
    return all
  }()

  private static func words(_ text: String) -> Set<String> {
    Set(text.split { $0 == " " || $0 == "\n" }.map(String.init))
  }

  /// Second levels of country registries; longer lists go on in indented lines.
  private static let registries = """
    ac com edu gov net mil org
    ae co net org sch ac gov mil
    ar com edu gob gov int mil net org tur
    at ac co gv or
    au com net org edu gov asn id
    az com net int gov org edu info pp mil name
    bd com edu gov net org
    bh com edu net org gov
    bn com edu gov net org
    bo com edu gob int org net mil tv web
    br com net org gov edu mil art blog eco ind jus leg mp emp inf adv app dev
    bw co org
    by gov mil com of
    bz co com net org edu gov
    cn com net org gov edu ac mil
    co com edu gov mil net nom org
    cr ac co ed fi go or sa
    cu com edu org net gov inf
    cy ac biz com gov net org press
    do art com edu gob gov mil net org sld web
    dz com org net gov edu asso
    ec com info net fin med pro org edu gov gob mil
    eg com edu eun gov mil name net org sci
    es com nom org gob edu
    et com gov org edu biz name info net
    fj ac biz com gov info mil name net org pro
    fr asso com gouv nom prd tm
    ge com edu gov org mil net pvt
    gh com edu gov org mil
    gr com edu net org gov
    gt com edu gob ind mil net org
    hk com edu gov idv net org
    hn com edu org net mil gob
    hr iz from name com
    hu co info org priv sport tm
    id ac biz co desa go mil my net or ponpes sch web
    il ac co gov idf k12 muni net org
    in co firm net org gen ind ac edu res gov mil nic
    iq gov edu mil com org net
    ir ac co gov id net org sch
    is net com edu gov org int
    it gov edu
    je co net org
    jo com org net edu sch gov mil name
    jp ac ad co ed go gr lg ne or
    ke ac co go info me mobi ne or sc
    kr ac co es go hs kg mil ms ne or pe re sc
    kw com edu emb gov ind net org
    kz org edu net gov mil com
    lb com edu gov net org
    lk gov sch net int com org edu ngo soc web ltd assn grp hotel ac
    lv com edu gov org mil id net asn conf
    ly com net gov plc edu sch med org id
    ma co net gov org ac press
    mk com org net edu gov inf name
    mo com net org edu gov
    mt com edu net org
    mu com net org gov ac co or
    mx com org gob edu net
    my biz com edu gov mil name net org
    mz ac adv co edu gov mil net org
    na com co org
    ng com edu gov i mil mobi name net org sch
    ni ac biz co com edu gob in info int mil net nom org web
    no fhs vgs fylkesbibl folkebibl museum idrett priv mil stat dep kommune herad
    nz ac co cri geek gen govt health iwi kiwi maori mil net org parliament school
    om co com edu gov med museum net org pro
    pa ac gob com org sld edu net ing abo med nom
    pe edu gob nom mil org com net
    ph com net org gov edu ngo mil i
    pk com net edu org fam biz web gov gob gok gon gop gos info
    pl com net org aid agro atm auto biz edu gmina gsm info mail miasta media mil nieruchomosci nom pc powiat priv
      realestate rel sex shop sklep sos szkola targi tm tourism travel turystyka gov waw
    pr com net org gov edu isla pro biz info name est prof ac
    ps edu gov sec plo com org net
    pt net gov org edu int publ com nome
    py com coop edu gov mil net org
    qa com edu gov mil name net org sch
    ro arts com firm info nom nt org rec store tm www
    rs ac co edu gov in org
    ru ac com edu gov int mil net org pp msk spb
    rw ac co coop gov mil net org
    sa com net org gov med pub edu sch
    sg com net org gov edu per
    sv com edu gob org red
    sy edu gov net mil com org
    th ac co go in mi net or
    tn com ens fin gov ind intl nat net org info perso tourism
    tr av bbs bel biz com dr edu gen gov info mil k12 kep name net org pol tel tsk tv web
    tt co com org net biz info pro int coop jobs mobi travel museum aero name gov edu
    tw edu gov mil com net org idv game ebiz club
    tz ac co go hotel info me mil mobi ne or sc tv
    ua com edu gov in net org kiev kyiv kharkiv lviv odessa dnipro
    ug co or ac sc go ne com org
    uk ac co gov ltd me net nhs org plc police sch
    us dni fed isa kids nsn
    uy com edu gub mil net org
    uz co com net org
    ve arts bib co com e12 edu firm gob gov info int mil net nom org rar rec store tec web
    vn com net org edu gov int ac biz info name pro health
    ye com edu gov net mil org
    za ac agric alt co edu gov grondar law mil net ngo nic nis nom org school tm web
    zm ac biz co com edu gov info mil net org sch
    zw ac co gov mil org
    """

  /// Hosters that give names (and so certificates and answers) to anybody.
  private static let hosters = """
    github.io githubusercontent.com githubpreview.dev gitlab.io bitbucket.io codeberg.page pages.dev workers.dev
    r2.dev trycloudflare.com cdn.cloudflare.net vercel.app vercel.dev now.sh netlify.app herokuapp.com onrender.com
    fly.dev railway.app up.railway.app deno.dev deno.net surge.sh glitch.me repl.co replit.app replit.dev
    stackblitz.io webcontainer.io codesandbox.io csb.app gitpod.io ws.gitpod.io firebaseapp.com web.app appspot.com
    cloudfunctions.net run.app a.run.app googleapis.com googlecode.com blogspot.com cloud.goog translate.goog
    withyoutube.com amazonaws.com s3.amazonaws.com elb.amazonaws.com elasticbeanstalk.com cloudfront.net
    awsapprunner.com amplifyapp.com on.aws lambda-url.us-east-1.on.aws execute-api.us-east-1.amazonaws.com
    compute-1.amazonaws.com azurewebsites.net azurestaticapps.net azureedge.net azurefd.net azure-api.net
    azurecontainer.io azurecontainerapps.io cloudapp.net cloudapp.azure.com trafficmanager.net windows.net
    core.windows.net blob.core.windows.net file.core.windows.net web.core.windows.net servicebus.windows.net
    database.windows.net digitaloceanspaces.com ondigitalocean.app linodeobjects.com members.linode.com
    vultrobjects.com backblazeb2.com wasabisys.com scw.cloud ovh.net hosting.ovh.net oraclecloudapps.com
    oraclegovcloudapps.com oraclecloud.com ngrok.io ngrok.app ngrok.dev ngrok-free.app ngrok-free.dev ngrok.pizza
    ngrok.pro eu.ngrok.io loca.lt localtunnel.me serveo.net lhr.life localhost.run pagekite.me ts.net
    beta.tailscale.net duckdns.org dyndns.org dynv6.net no-ip.org no-ip.com noip.me ddns.net hopto.org zapto.org
    myftp.org sytes.net redirectme.net servebeer.com afraid.org freeddns.org mooo.com nip.io sslip.io xip.io
    traefik.me lvh.me myshopify.com shopifypreview.com wixsite.com weebly.com wpengine.com tumblr.com substack.com
    notion.site webflow.io framer.app framer.website carrd.co bubbleapps.io retool.com hf.space streamlit.app
    streamlitapp.com gradio.live modal.run lovable.app bolt.host pythonanywhere.com eu.pythonanywhere.com
    readthedocs.io rtfd.io beget.app altervista.org 000webhostapp.com infinityfreeapp.com epizy.com byethost.com
    neocities.org nearlyfreespeech.net sourceforge.io rubyforge.org requestbin.net pipedream.net webhook.site
    burpcollaborator.net oastify.com interact.sh oast.fun oast.pro oast.live oast.me oast.site oast.online
    beeceptor.com uk.com us.com eu.com de.com cn.com br.com jp.net se.net gb.net uk.net za.com co.com co.nl co.no
    us.org in.net ru.com sa.com jpn.com gr.com hu.net ae.org com.de com.se kr.com no.com qc.com eu.org
    alibabacloudcs.com aliyuncs.com oss-cn-hangzhou.aliyuncs.com myqcloud.com cos.ap-guangzhou.myqcloud.com
    compute.amazonaws.com
    """
}
