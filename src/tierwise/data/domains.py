"""Domains that name no company: of free mail, and of hosts on which many have their page."""

from __future__ import annotations

_FREE_MAIL = """
126.com 139.com 163.com 21cn.com abv.bg alice.it aliyun.com aol.co.uk aol.com aol.de arcor.de att.net bellsouth.net
bigpond.com bigpond.net.au blueyonder.co.uk bluewin.ch bol.com.br bk.ru btinternet.com btopenworld.com centrum.cz
charter.net chello.nl club-internet.fr comcast.net cox.net daum.net duck.com earthlink.net email.com email.cz email.it
fastmail.com fastmail.fm foxmail.com free.fr freemail.hu freenet.de freeserve.co.uk frontier.com frontiernet.net
gawab.com gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com home.nl hotmail.be
hotmail.ca hotmail.co.jp hotmail.co.uk hotmail.com hotmail.com.ar hotmail.com.br hotmail.com.mx hotmail.de hotmail.es
hotmail.fr hotmail.it hotmail.nl hotmail.se hushmail.com icloud.com inbox.com inbox.lv inbox.ru indiatimes.com
interia.pl juno.com kpnmail.nl laposte.net libero.it list.ru live.be live.ca live.cn live.co.uk live.com live.com.au
live.com.mx live.com.pt live.de live.fr live.it live.nl live.se lycos.com mac.com mail.com mail.de mail.ee mail.ru
mailbox.org mailinator.com me.com msn.com mweb.co.za naver.com neuf.fr netscape.net netvigator.com netzero.net
nifty.com ntlworld.com o2.co.uk o2.pl online.de onet.pl op.pl optonline.net optusnet.com.au orange.fr outlook.com
outlook.com.br outlook.de outlook.es outlook.fr outlook.it outlook.jp planet.nl pm.me posteo.de proton.me
protonmail.ch protonmail.com q.com qq.com quicknet.nl rambler.ru rediffmail.com roadrunner.com rocketmail.com
rogers.com safe-mail.net sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.cn sina.com skynet.be sky.com sohu.com
swbell.net sympatico.ca t-online.de talktalk.net telenet.be telia.com telus.net terra.com.br tiscali.co.uk tiscali.it
tin.it tuta.io tutanota.com ukr.net uol.com.br verizon.net videotron.ca virgilio.it virginmedia.com voila.fr
wanadoo.fr web.de windowslive.com wp.pl xs4all.nl xtra.co.nz ya.ru yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.jp
yahoo.co.kr yahoo.co.uk yahoo.com yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.cn yahoo.com.hk yahoo.com.mx
yahoo.com.ph yahoo.com.sg yahoo.com.tw yahoo.com.vn yahoo.de yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it
yahoo.ro yahoo.se yandex.com yandex.ru yeah.net ymail.com zeelandnet.nl zoho.com zohomail.com
"""
FREE_MAIL = frozenset(_FREE_MAIL.split())
"""Domains under which anybody has a mailbox."""

_SHARED_HOSTS = """
about.me amazonaws.com azurewebsites.net bitbucket.io blogspot.com business.site carrd.co discord.gg facebook.com
fb.com firebaseapp.com github.com github.io gitlab.io godaddysites.com google.com herokuapp.com hubspotpagebuilder.com
instagram.com jimdo.com linkedin.com linktr.ee medium.com myshopify.com netlify.app notion.site onrender.com pages.dev
sharepoint.com sites.google.com squarespace.com substack.com t.me tiktok.com tripod.com tumblr.com twitter.com
vercel.app webflow.io weebly.com wixsite.com wordpress.com x.com youtube.com
"""
SHARED_HOSTS = frozenset(_SHARED_HOSTS.split())
"""Hosts on which many companies have their page: as a company's own domain they name none."""


def bare_domain(column: str) -> str:
    """SQL for a domain in lower case, without scheme, www, port and path; null if nothing like one is there."""
    bare = rf"regexp_replace(lower(trim({column})), '^[a-z][a-z0-9+.-]*://', '')"
    bare = rf"regexp_replace({bare}, '[/?#:\s].*$', '')"
    bare = rf"rtrim(regexp_replace({bare}, '^www\d?\.', ''), '.')"
    return f"CASE WHEN regexp_full_match({bare}, '[^.@]+(\\.[^.@]+)+') THEN {bare} END"
