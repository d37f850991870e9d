"""Yahoo's exchange codes, and the calendars they trade on."""

from __future__ import annotations

_CODES = {
    "24/7": "CCC",
    "ASEX": "ATH",
    "weekdays": "CCY",
    "BVMF": "SAO",
    "XAMS": "AMS",
    "XASX": "ASX",
    "XBKK": "SET",
    "XBOG": "BVC",
    "XBOM": "BSE NSI",
    "XBRU": "BRU",
    "XBSE": "BVB",
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
    "XKAR": "KAR",
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
    "XPHS": "PHP PHS",
    "XPRA": "PRA",
    "XSAU": "SAU",
    "XSES": "SES",
    "XSGO": "SGO",
    "XSHG": "SHH SHZ",
    "XSTO": "STO",
    "XSTU": "STU",
    "XSWX": "EBS",
    "XTAE": "TLV",
    "XTAI": "TAI TWO",
    "XTKS": "JPX TYO OSA",
    "XTSE": "TOR VAN CNQ",
    "XWAR": "WSE",
    "XWBO": "VIE",
}

# Exchange code as in the answer's meta -> calendar. Futures are missing on purpose: their
# sessions differ by product.
CALENDARS: dict[str, str] = {
    code: calendar for calendar, codes in _CODES.items() for code in codes.split()
}
