"""Yahoo's exchange codes, and the calendars they trade on."""

from __future__ import annotations

_CODES = {
    "24/7": "CCC",
    "weekdays": "CCY",
    "BVMF": "SAO",
    "XAMS": "AMS",
    "XASX": "ASX",
    "XBKK": "SET",
    "XBOM": "BSE NSI",
    "XBRU": "BRU",
    "XBUD": "BUD",
    "XBUE": "BUE",
    "XCSE": "CPH",
    "XDUB": "ISE",
    "XDUS": "DUS",
    "XETR": "GER",
    "XFRA": "FRA",
    "XHAM": "HAM",
    "XHEL": "HEL",
    "XHKG": "HKG",
    "XICE": "ICE",
    "XIDX": "JKT",
    "XIST": "IST",
    "XJSE": "JNB",
    "XKLS": "KLS",
    "XKRX": "KSC KOE",
    "XLIS": "LIS",
    "XLON": "LSE IOB",
    "XMAD": "MCE",
    "XMEX": "MEX",
    "XMIL": "MIL",
    "XNYS": "NMS NGM NCM NAS NYQ NYS ASE PCX BTS CBO PNK OQB OQX OEM SNP DJI NIM",
    "XNZE": "NZE",
    "XOSL": "OSL",
    "XPAR": "PAR",
    "XPRA": "PRA",
    "XSAU": "SAU",
    "XSES": "SES",
    "XSGO": "SGO",
    "XSHG": "SHH SHZ",
    "XSTO": "STO",
    "XSTU": "STU",
    "XSWX": "EBS",
    "XTAI": "TAI TWO",
    "XTKS": "JPX TYO OSA",
    "XTSE": "TOR VAN CNQ",
    "XWAR": "WSE",
    "XWBO": "VIE",
}

# Exchange code as in the answer's meta -> calendar. Futures are missing on purpose: their
# sessions differ by product. So are Athens, Bucharest and Tel Aviv, whose calendars
# exchange_calendars 4.13 cannot build with pandas 3.1.
CALENDARS: dict[str, str] = {
    code: calendar for calendar, codes in _CODES.items() for code in codes.split()
}
