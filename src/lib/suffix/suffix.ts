// Where a name's registered domain begins. A small list written from knowledge of the registries and of providers that
// let strangers take names below theirs; what it lacks is judged one label too high, which merges tenants but hides none.
import { hashWireName, textToWire } from '#lib/wirename';

/** Second-level words under which country registries sell the third level. */
const words = ['co', 'com', 'org', 'net', 'ac', 'gov', 'edu', 'mil'];
const wordCountries =
  'uk jp kr nz za in id il th ke ug tz zw au br ar mx tr tw hk sg my ph vn cn pk bd np lk eg ng gh sa qa kw bh om pl ua pe co ec ve uy py bo gt sv hn ni pa do cu pr cy mt gr ro rs mk al ba hr lb jo sy ly mm kh la mo bn fj pg ws';
const others =
  'or.jp ne.jp go.jp ad.jp ed.jp gr.jp lg.jp me.uk ltd.uk plc.uk sch.uk nhs.uk police.uk gen.nz geek.nz govt.nz iwi.nz maori.nz school.nz or.kr go.kr re.kr ne.kr pe.kr id.au asn.au ind.br eng.br art.br blog.br gob.mx gob.ar gov.it edu.it gob.es nom.es or.at gv.at asso.fr gouv.fr firm.in gen.in ind.in nic.in res.in or.id go.id web.id sch.id my.id or.th go.th in.th mi.th k12.tr bel.tr gen.tr web.tr idv.tw idv.hk web.za law.za nom.za waw.pl info.pl biz.pl kiev.ua lviv.ua in.ua msk.ru spb.ru uk.com us.com eu.com de.com gb.net in-addr.arpa ip6.arpa e164.arpa';
/** Suffixes of dynamic-DNS, hosting and cloud providers below which each label has another owner. */
const shared =
  'duckdns.org dyndns.org dyndns.info dynu.net ddns.net ddns.info no-ip.org no-ip.com no-ip.biz hopto.org zapto.org sytes.net servebeer.com serveftp.com myftp.org myftp.biz redirectme.net bounceme.net afraid.org mooo.com chickenkiller.com strangled.net us.to freeddns.org freedns.org changeip.com dnsdynamic.org dyn.com homeip.net homelinux.org homeunix.org is-a-geek.com dynalias.com dynalias.org selfip.com selfip.net dnsalias.com dnsalias.org gotdns.com gotdns.org kicks-ass.net webhop.me webhop.net synology.me myds.me myqnapcloud.com ydns.eu nsupdate.info spdns.de spdns.eu dedyn.io cloudns.cc cloudns.cl cloudns.nz cloudns.asia desec.io github.io gitlab.io netlify.app vercel.app herokuapp.com herokudns.com fly.dev onrender.com pages.dev workers.dev trycloudflare.com ngrok.io ngrok.app ngrok-free.app loca.lt serveo.net appspot.com run.app web.app firebaseapp.com cloudfunctions.net azurewebsites.net azureedge.net azurefd.net cloudapp.net cloudapp.azure.com trafficmanager.net blob.core.windows.net azurestaticapps.net cloudfront.net elasticbeanstalk.com amplifyapp.com awsapprunner.com s3.amazonaws.com execute-api.amazonaws.com repl.co replit.app glitch.me surge.sh blogspot.com wordpress.com weebly.com wixsite.com myshopify.com translate.goog ts.net tailscale.net eu.org pp.ua nom.co qzz.io dpdns.org us.kg';

/** 1 a registry's suffix, 2 a suffix shared by strangers. */
const kinds = new Map<number, number>();
const scratch = new Uint8Array(256);
function add(text: string, kind: number): void {
  kinds.set(hashWireName(scratch, 0, textToWire(text, scratch, 0)), kind);
}
for (const country of wordCountries.split(' ')) for (const word of words) add(`${word}.${country}`, 1);
for (const suffix of others.split(' ')) add(suffix, 1);
for (const suffix of shared.split(' ')) add(suffix, 2);

/**
 * Offset (in `bytes`) of the registered domain: the suffix and one label more.
 * @param starts offsets of the name's labels, left to right, `count` of them (the root is none)
 * @param end offset after the root octet
 * @returns the offset of the first label where the name is a bare suffix; `end - 1` (the root) where there is no label
 */
export function registeredAt(bytes: Uint8Array, starts: Int32Array, count: number, end: number): number {
  if (count === 0) return end - 1;
  if (count <= 2) return starts[0]!;
  for (let labels = Math.min(3, count - 1); labels >= 2; labels--) {
    const at = starts[count - labels]!;
    if (kinds.has(hashWireName(bytes, at, end - at))) return starts[count - labels - 1]!;
  }
  return starts[count - 2]!;
}

/** 0 not a known suffix, 1 a registry's, 2 shared by strangers; of the wire name given whole. */
export function suffixKind(bytes: Uint8Array, offset: number, length: number): number {
  return kinds.get(hashWireName(bytes, offset, length)) ?? 0;
}

/** The registered domain of a name in presentation form, lower case; the name itself where it has one label or none is known. */
export function registeredName(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  if (labels.length <= 2) return labels.join('.');
  const wire = new Uint8Array(256);
  const length = textToWire(labels.join('.'), wire, 0);
  if (length <= 0) return labels.slice(-2).join('.');
  const starts = new Int32Array(128);
  let count = 0;
  for (let at = 0; wire[at] !== 0 && count < 127; at += wire[at]! + 1) starts[count++] = at;
  const from = registeredAt(wire, starts, count, length);
  return labels.slice(starts.subarray(0, count).indexOf(from)).join('.');
}
