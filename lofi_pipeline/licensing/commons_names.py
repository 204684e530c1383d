"""What Creative Commons calls its licences, in the languages it publishes them in, and the ports there are.

Facts, not policy. A licence was ported to a country's law in some of its versions; version 4.0 was never ported. Case,
accents and the spaces inside a name do not matter: `NoDerivs` is `no derivs`. Raise TEXT_RULES with every change.
"""

from __future__ import annotations

UNPORTED = ("1.0", "2.0", "2.5", "3.0", "4.0")
"""The versions of the six licences that hold everywhere. 2.1 only came as ports."""

MARKERS = """
    CC | C C | Creative Commons | Créative Commons | クリエイティブ・コモンズ | クリエイティブコモンズ | 创用CC | 創用CC | 知识共享 | 知識共享
    | 크리에이티브 커먼즈 | Криейтив Коммонс
"""
ELEMENTS = {
    "by": """
    Attribution | Namensnennung | Paternité | Atribución | Reconocimiento | Attribuzione | Atribuição | Naamsvermelding | 表示 | 署名
    | 姓名標示 | 저작자표시 | 저작자 표시 | Uznanie autorstwa | Erkännande | Navngivelse | Nimeä | Nimi mainittava | Nevezd meg | Uveďte autora
    | Uveďte původ | Reconeixement | Recoñecemento | Reconocimientu | Aitortu | Atribuire | Imenovanje | Priznanje avtorstva | Autorstvo
    | Ауторство | Autorile viitamine | Atsaucoties | Priskyrimas | Признание | Наведи извор | Атрибуция | Атрыбуцыя | Із зазначенням авторства
    | Із зазначенням автора | Αναφορά Δημιουργού | Αναφορά προέλευσης | Atribusi | Attribusi | Pengiktirafan | Ghi nhận công của tác giả | แสดงที่มา | ייחוס
    | نسب المصنف | نسبة المصنف | نسب العمل | نسب | تخصیص | اختیار | Alıntı | Atribuite | Erkenning | Tilvísun | Vísun til höfundar | Հղում | Qaphela Umnikazi
    | Tsebagatšo | ავტორობის მითითებით | Атауын сақтау | ఆపాదింపు | കടപ്പാട് | アトリビューション | 帰属
    """,
    "nc": """
    NonCommercial | Non Commercial Use | Nicht kommerziell | Keine kommerzielle Nutzung | Pas d'Utilisation Commerciale
    | Utilisation non commerciale | NoComercial | Uso No Comercial | Non Commerciale | Uso non commerciale | NãoComercial | Uso não comercial
    | NietCommercieel | Niet commercieel gebruik | 非営利 | ノンコマーシャル | 非商业性使用 | 非商業性 | 비영리 | Użycie niekomercyjne | IckeKommersiell
    | IkkeKommerciel | IkkeKommersiell | Epäkaupallinen | Ei kaupalliseen käyttöön | Ne add el | Neužívejte dílo komerčně | Neužívejte komerčně
    | Nevyužívejte dílo komerčně | NonComercial | EzKomertziala | Necomercial | Nekomercijalno | Nekomercialno | Некомерцијално | Mitteäriline eesmärk
    | Nekomerciāls | Nekomerciāli | Nekomercinis platinimas | Nekomercinis | Некомерсиално | Некоммерческое использование | С некоммерческой целью
    | Некомерційна | Μη Εμπορική Χρήση | NonKomersial | BukanKomersial | Phi thương mại | ไม่ใช้เพื่อการค้า | שימוש לא מסחרי | غير تجاري
    | غیر تجاری | Gayriticari | Nekomerce | NieKommersieel | Ekki ágóðaskyni | EkkiÁgóðaskyni | Ոչ-առևտրային օգտագործում | E sego ya Kgwebo
    | Ungayisebenziseli Ezentengiselwano | არაკომერციული გამოყენებისათვის | არაკომერციული გამოყენებისთვის | არაკომერციული
    | არაკომერციული გამოყენბისათვის | Коммерциялық емес | অ-বানিজ্যিক
    """,
    "nd": """
    NoDerivatives | NoDerivs | No Derivative Works | No Derivative | NoDerivative | No Derivates | Keine Bearbeitungen | Keine Bearbeitung
    | Keine Bearbeitung erlaubt | Pas de Modification | Pas de Modifications | Pas d'Œuvres Dérivées | Pas d'Oeuvres Dérivées | SinDerivadas
    | SinObraDerivada | SinObrasDerivadas | Sin Derivar | No Derivadas | Non opere derivate | No opere derivate | SemDerivações | SemDerivados
    | Vedada a criação de obras derivadas | Vedada a criação de obras derivativas | Vedadas Obras Derivadas
    | Proibição de realização de Obras Derivadas | GeenAfgeleideWerken | 改変禁止 | 派生禁止 | ノーデリブス | 禁止演绎 | 禁止改作 | 변경금지 | 변경 금지
    | Bez utworów zależnych | IngaBearbetningar | IngenBearbejdelse | IngenBearbeidelse | Ei muutoksia | Ei Jälkiperäisiä teoksia | Ne változtasd
    | Nezasahujte do díla | SenseObraDerivada | SenObraDerivada | Non derivaos | LanEratorririkGabe | FărăModificări | Bez prerada | Brez predelav
    | Без прерада | Tuletatud teoste keeld | Neatvasināt | Neatvasinot | Nemainīts | Nav atvasinājumu | Jokių išvestinių darbų | Platinimas jokių išvestinių darbų
    | Be išvedinių | Без производни | БезАдаптираниДела | БезИзведениДела | Без производных произведений | Без производных
    | Без похідних творів | Без похідних | Όχι Παράγωγα Έργα | TanpaTurunan | TiadaTerbitan | Không phái sinh | ไม่ดัดแปลง | איסור יצירות נגזרות
    | لا اشتقاق | غير مشتق | غیراشتقاقی | Türetilemez | Nemodifite | GeenAfleidings | Engin afleidd | EnginAfleidd
    | Օգտագործում առանց վերափոխումների | Tše sa fetolwego | Ungasuseli lutho kulokhu | გადამუშავების გარეშე
    | გადამუშავებული ნაწარმოების შექმნის გარეშე | ТУындысыз | Туынды жасамау
    """,
    "sa": """
    ShareAlike | Share Alike | Weitergabe unter gleichen Bedingungen | Partage dans les Mêmes Conditions | Partage à l'Identique
    | Partage des Conditions Initiales à l'Identique | CompartirIgual | Compartir Derivadas Igual | Licenciar Igual | Licenciamiento Recíproco
    | Condividi allo stesso modo | StessaLicenza | CompartilhaIgual | Compartilhamento pela mesma licença
    | Partilha nos termos da mesma licença | Partilha nos Mesmos Termos | GelijkDelen | 継承 | シェアアライク | 相同方式共享 | 相同方式分享 | 동일조건변경허락 | 동일조건 변경허락
    | Na tych samych warunkach | DelaLika | DelPåSammeVilkår | JaaSamoin | Sama lisenssi | Tarttuva | Így add tovább | Zachovejte licenci
    | PartekatuBerdin | Distribuire în condiții identice | Distribuie-în-condiţii-identice | Dijeli pod istim uvjetima | Deljenje pod enakimi pogoji
    | Deliti pod istim uslovima | Делити под истим условима | Jagamine samadel tingimustel | Nemainot licenci | Līdzvērtīgs
    | Analogiškas platinimas | Platinimas Analogiškas platinimas | Споделяне на споделеното | СподелиПодИстиУслови | На тех же условиях
    | С сохранением условий | Розповсюдження на тих самих умовах | Поширення на тих самих умовах | Παρόμοια Διανομή | BerbagiSerupa
    | PerkongsianSerupa | Chia sẻ tương tự | อนุญาตแบบเดียวกัน | שיתוף זהה | المشاركة على قدم المساواة | LisansıDevamEttirme | AynıLisanslaPaylaş
    | Samkondiĉe | InsgelyksDeel | DeilaEins | Համանման տարածում | Mohlakanelwa | Zihlanganyeleni | Yihlanganyeleni
    | გავრცელება იგივე პირობებით | გამოყენება იგივე პირობებით
    """,
}
TOOLS = {
    "cc0": """
    CC0 | CC 0 | CC Zero | CCZero | CC CC0 | Creative Commons 0 | Creative Commons Zero | Creative Commons CC0 | Creative Commons CC Zero
    """,
    "pdd": """
    Public Domain Dedication | Transfert dans le Domaine Public | Dedicación de Dominio Público | Cessione al Pubblico Dominio
    """,
    "pdm": """
    Public Domain Mark | PDM | CC PDM | CC PD Mark | PD Mark | Public Domain-Kennzeichnung | Etiqueta de Dominio Público | Marca de dominio público | Marca de Domini Públic
    | Marcação de Domínio Público | Marca de Domínio Público | Marchio di pubblico dominio | Marque du domaine public | Oznaczenie domeny publicznej
    | Oznaka javnog dobra | Public Domain-merkki | Public Domain markeret | Public Domain-merket | Publikaĵa Marko | Σήμα Δημόσιου Τομέα
    | パブリック・ドメイン・マーク | パブリックドメインマーク | 公共領域標誌 | 公眾領域標誌 | 公有领域标志 | 공개 마크 | Kamuya Açık Eser İşareti
    """,
    "pddc": """
    CC PDDC | PDDC | Public Domain Dedication and Certification | Copyright-Only Dedication or Public Domain Certification
    | Copyright-Only Dedication based on United States law or Public Domain Certification | Public Domain Certification
    """,
    "pd": """
    Public Domain | CC PD | PD | Gemeinfrei | Domaine public | Dominio público | Domínio público | Domini públic | Pubblico dominio
    | Publiek domein | Openbaar domein | Domena publiczna | Volné dílo | Közkincs | Javna domena | Javno dobro | Domeniul public | Public Domain Work
    | Общественное достояние | Обществена собственост | Δημόσιος Τομέας | パブリック・ドメイン | パブリックドメイン | 公共领域 | 公共領域 | 公有领域 | 公眾領域
    | 公有領域 | 퍼블릭 도메인 | Kamu malı | สาธารณสมบัติ
    """,
    "sampling": "Sampling | CC Sampling | Recombinação | Licença de Recombinação | サンプリング | 取樣 | 取样使用 | 샘플링 | Échantillonnage | Sämpläys | Семплирование",
    "sampling+": """
    Sampling Plus | Sampling+ | CC Sampling Plus | CC Sampling+ | Deutsche Sampling Plus | Licença de Recombinação Plus | サンプリング・プラス | 特別取樣 | 샘플링 플러스
    """,
    "nc-sampling+": """
    NonCommercial Sampling Plus | NC Sampling+ | NC Sampling Plus | CC NC Sampling+ | CC NC Sampling Plus | NonCommercial Sampling+ | Nicht-kommerziell Sampling Plus | 非商業性特別取樣
    """,
    "devnations": "Developing Nations | DevNations",
}
TOOL_VERSIONS = {
    "cc0": ("1.0",),
    "pdm": ("1.0",),
    "pddc": ("1.0", "3.0"),
    "pd": ("1.0",),
    "pdd": ("1.0",),
    "sampling": ("1.0",),
    "sampling+": ("1.0",),
    "nc-sampling+": ("1.0",),
    "devnations": ("2.0",),
}

WORLDWIDE = """
    International | Internationale | Intl | Unported | Generic | Universal | Worldwide | Internacional | Internazionale | Internationaal | 国際 | 國際 | 国际 | 국제
    | Internasjonal | Internationell | Kansainvälinen | Międzynarodowe | Międzynarodowa | Mezinárodní | Nemzetközi | Internațional | međunarodna | međunarodni sporazumi
    | Mednarodna | Rahvusvaheline | Starptautisks | Tarptautinė | Alþjóðlegt | Меѓународен | Международная | Міжнародна | Διεθνές | Uluslararası | Internasional | Antarabangsa | Quốc tế
    | Ndërkombëtar | Internacia | دولي | בין־לאומי | ජාත්‍යන්තර | അന്തർദേശീയം | అంతర్జాతీయం | Весь мир (в т.ч. Россия и др.) | Nicht portiert | US-amerikanisch (nicht portiert)
    | Allgemein | Non transposé | No portada | No adaptada | Sin adaptar | Genérica | Genérico | Générique | Generico | Generisk | Generieke | Generies | Não Adaptada | 非移植 | 一般
    | 通用版 | 通用 | 未本地化版本 | 일반 | Ogólny | Általános | Generička licenca | Генеричка лиценца | Generična | Üldine | Vispārīgs | Γενικό | Неадаптиран | Нелокализиран
    | Нелокализирана лиценца | Nelokalizirana licenca | Neloklizirana licenca | Непортированная | Μη εισαγόμενο | Muokkaamaton | Raakaversio | Jurisdiktsiooniga sidumata
    | Nepārnesta | Nedoločena | Ne-adaptată | Neadaptita | Ĝenerala | Universell | Universel | Universelle | Universale | Universeel | Universelt | Yleismaailmallinen
    | Univerzalno | Univerzalna | Универсальная | Универзална | Παγκόσμια | 보편적인 | Evrensel | Toàn cầu | Uniwersalna | עולמי | לא מותאם | Umum | Generik | Xenérica | Kapsamlı
    | Generikoa | Të përgjithshme | عام | الاصلية | ทั่วไป | ต้นฉบับ | ზოგადი | არაპორტირებული | Չտեղայնացված | Chung | Engadlulisiwe | E sa fetišwago
"""
WORDS = """
    license | licence | licenses | licenced | licensed | deed | legal code | legalcode | public license | public licence | text | version | ver | v | Lizenz | öffentliche Lizenz
    | Lizenzvertrag | licencia | licencia pública | licence publique | licenza | licenza pubblica | licença | licença pública | licentie | openbare licentie | ライセンス | パブリック・ライセンス
    | licencja | licens | lisens | lisenssi | licenc | llicència | licența | licenca | лицензия | лиценца | ліцензія | lisansı | 许可协议 | 許可協議 | 授权条款 | 授權條款
    | 라이선스 | 이용허락 | Άδεια | Lizentzia | International License | no rights reserved | some rights reserved | copyright waiver
    | reuse allowed | attribution required | attribution is required | credit required | credit is required
    | no attribution required | attribution not required | no credit required | credit not required | attribution optional
"""
"""What may stand beside any name and says nothing more."""

SENTENCES = """
    this | that | these | the | a | an | is | are | work | works | track | tracks | song | songs | music | audio | recording | recordings | sound | sounds | album | file | files | content
    | was released | was made available | was published | was provided | was shared | was licensed | was dedicated | was placed | was marked
    | to view a copy of this license visit | to view a copy of this licence visit | to view a copy of this mark visit | to view a copy of this license
    | to view a copy of the license visit | or send a letter to Creative Commons PO Box 1866 Mountain View CA 94042 USA
    | or send a letter to Creative Commons 444 Castro Street Suite 900 Mountain View California 94041 USA
    | or send a letter to Creative Commons 171 Second Street Suite 300 San Francisco California 94105 USA
    | or send a letter to Creative Commons 543 Howard Street 5th Floor San Francisco California 94105 USA
    | or send a letter to Creative Commons 559 Nathan Abbott Way Stanford California 94305 USA
    | under | with | via | of | terms | released | available | made | distributed | published | provided | shared | offered | marked | self | migrated | all versions | into | to | dedicated | placed
    | dieses | dieser | diese | Werk | ist | lizenziert | steht | unter | einer | der | den | die | eine | veröffentlicht | Inhalt | Musik
    | cette | ce | œuvre | oeuvre | est | mise à disposition | mis à disposition | selon | sous | les | termes | de | la | le | du | un | une | l | d | publiée | publié | sous les termes | disponible | musique
    | esta | este | obra | está | bajo | una | con | los | las | el | términos | licenciada | licenciado | publicada | publicado | música
    | quest'opera | quest | opera | è | distribuita | distribuito | rilasciata | rilasciato | concessa | in | sotto | con | termini | della | musica
    | trabalho | licenciado com | sob | uma | os | termos | da | do | com | em
    | dit | werk | valt | onder | een | het | is gelicenseerd | gelicentieerd | uitgegeven | gepubliceerd | volgens | van | voorwaarden | muziek
    | この作品は | この楽曲は | 本作品は | の下に提供されています | の下で提供されています | のもとで提供されています | で提供されています | の下で | のもとで | の | は | で
    | 本作品采用 | 本作品採用 | 进行许可 | 進行許可 | 授權 | 授权 | 采用 | 採用 | 이 저작물은 | 에 따라 이용할 수 있습니다
    | na licencji | dostępne | utwór | ta | är licensierat under | detta | verk | er lisensiert under | dette verket
"""
"""What the sentences are made of that say under which licence a work is. None of these words limits anything."""

PORTS: dict[str, tuple[str, str]] = {
    "ar": (
        "2.5",
        "Argentina | Argentinien | Argentine | Argentinië | アルゼンチン | Argentyna | 阿根廷 | Аргентина | Argentiina | Αργεντινή | Arjantin | Аржентина",
    ),
    "at": (
        "2.0 3.0",
        "Austria | Österreich | Autriche | Áustria | Oostenrijk | オーストリア | Österrike | 奥地利 | 奧地利 | 오스트리아 | Австрия | Østrig | Østerrike | Itävalta | Rakousko | Ausztria | Αυστρία | Austrija | Avusturya",
    ),
    "au": (
        "2.0 2.1 2.5 3.0",
        "Australia | Australien | Australie | オーストラリア | 澳大利亚 | 澳大利亞 | Австралия | Ausztrália | Αυστραλία | Australija | Avustralya",
    ),
    "be": (
        "2.0",
        "Belgium | Belgien | Belgique | Bélgica | Belgio | België | ベルギー | Belgia | 比利时 | 比利時 | 벨기에 | Бельгия | Βέλγιο | Belgija | Belçika | Белгия | Бельгія",
    ),
    "bg": (
        "2.5",
        "Bulgaria | Bulgarien | Bulgarie | Bulgarije | ブルガリア | Bułgaria | 保加利亚 | 保加利亞 | 불가리아 | Болгария | Bulharsko | Βουλγαρία | Bugarska | Bulgaristan | България | Болгарія",
    ),
    "br": (
        "2.0 2.5 3.0",
        "Brazil | Brasilien | Brésil | Brasil | Brasile | Brazilië | ブラジル | Brazylia | 巴西 | 브라질 | Бразилия | Brasilia | Brazília | Βραζιλία | Brezilya | Бразилія",
    ),
    "ca": ("2.0 2.5", "Canada | Kanada | カナダ | 加拿大 | 캐나다 | Канада | Καναδάς"),
    "ch": (
        "2.5 3.0",
        "Switzerland | Schweiz | Suisse | Suiza | Suíça | Zwitserland | スイス | Szwajcaria | 瑞士 | 스위스 | Швейцария | Sveits | Sveitsi | Švýcarsko | Svájc | Ελβετία | Suïssa | Elveţia | Švicarska | İsviçre | Швейцарія",
    ),
    "cl": ("2.0 3.0", "Chile | Chili | Cile | チリ | 智利 | 칠레 | Чили | Χιλή | Xile | Şili"),
    "cn": (
        "2.5 3.0",
        "China Mainland | Mainland China | China | Volksrepublik China | Chine continentale | China continental | Cina | China (vasteland) | 中華人民共和国 | Chiny | Kina | 中国大陆 | 中國大陸 | 중국 본토 | Материковый Китай | China | Kiina | Kontinentální Čína | Κίνα | Xina | China continentală | Çin Halk Cumhuriyeti | Китай (континентален) | Континентальний Китай",
    ),
    "co": (
        "2.5",
        "Colombia | Kolumbien | Colombie | コロンビア | Kolumbia | Columbia | 哥伦比亚 | 哥倫比亞 | 콜롬비아 | Колумбия | Kolumbie | Κολομβία | Kolumbija | Kolombiya",
    ),
    "cr": (
        "3.0",
        "Costa Rica | コスタ・リカ | Kostaryka | 哥斯大黎加 | 코스타리카 | Коста-Рика | Κόστα Ρίκα | Kostarika",
    ),
    "cz": (
        "3.0",
        "Czech Republic | Czechia | Tschechische Republik | République Tchèque | República Checa | Tjechië | チェコ共和国 | Czechy | Tjeckien | 捷克共和国 | 捷克 | 체코 | Чехия | Tjekkiet | Tjekkia | Tsekki | Česko | Cseh Köztársaság | Δημοκρατία της Τσεχίας | República Txeca | Cehia | Češka | Çek Cumhuriyeti",
    ),
    "de": (
        "2.0 3.0",
        "Germany | Deutschland | Allemagne | Alemania | Germania | Alemanha | Duitsland | ドイツ | Niemcy | Tyskland | 德国 | 德國 | 독일 | Германия | Saksa | Německo | Németország | Γερμανία | Alemanya | Njemačka | Almanya",
    ),
    "dk": (
        "2.5",
        "Denmark | Dänemark | Dinamarca | Denemarken | デンマーク | Dania | Danmark | 丹麦 | 丹麥 | 덴마크 | Дания | Tanska | Dánsko | Δανία | Danemarca | Danska | Danimarka",
    ),
    "ec": (
        "3.0",
        "Ecuador | Équateur | Equador | エクアドル | Ekwador | 厄瓜多爾 | 에콰도르 | Эквадор | Ekvádor | Εκουαδόρ",
    ),
    "ee": (
        "3.0",
        "Estonia | Estland | Estonie | エストニア | 에스토니아 | Эстония | estisk | Viro | Εσθονία | Estonija | Estonya | Eesti | 愛沙尼亞",
    ),
    "eg": ("3.0", "Egypt | Ägypten | Égypte | Egipto | Egitto | مصر"),
    "es": (
        "2.0 2.1 2.5 3.0",
        "Spain | Spanien | Espagne | España | Spagna | Espanha | Spanje | スペイン | Hiszpania | 西班牙 | 스페인 | Испания | Spania | Espanja | Španělsko | Spanyolország | Ισπανία | Espanya | Španjolska | İspanya | Espainia",
    ),
    "fi": (
        "1.0",
        "Finland | Finnland | Finlande | Finlandia | フィンランド | 芬兰 | 芬蘭 | 핀란드 | Финляндия | Suomi | Finsko | Finnország | Φιλανδία | Finlanda | Finska | Finlandiya | Финландия",
    ),
    "fr": (
        "2.0 3.0",
        "France | Frankreich | Francia | França | Frankrijk | フランス | Francja | Frankrike | 法国 | 法國 | 프랑스 | Франция | Frankrig | Ranska | Francie | Franciaország | Γαλλία | Franţa | Francuska | Fransa",
    ),
    "gr": (
        "3.0",
        "Greece | Griechenland | Grèce | Grecia | Griekenland | ギリシャ | Grecja | Grekland | 希腊 | 希臘 | 그리스 | Греция | Grækenland | Hellas | Kreikka | Řecko | Görögország | Ελλάδα | Grčka | Yunanistan | Гърция | Греція",
    ),
    "gt": ("3.0", "Guatemala | ガテマラ | Gwatemala | 과테말라 | Гватемала | Γουατεμάλα | 瓜地馬拉"),
    "hk": ("3.0", "Hong Kong | 香港 | 홍콩 | Гонконг | Χονγκ Κονγκ"),
    "hr": (
        "2.0 2.5 3.0",
        "Croatia | Kroatien | Croatie | Croacia | Croazia | Kroatië | クロアチア | Chorwacja | 克罗地亚 | 克羅埃西亞 | 크로아티아 | Хорватия | Kroatia | Chorvatsko | Horvátország | Κροατία | Hrvatska | Hırvatistan | Хърватска",
    ),
    "hu": (
        "2.5",
        "Hungary | Ungarn | Hongrie | Hungría | Ungheria | Hongarije | ハンガリー | Węgry | Ungern | 匈牙利 | 헝가리 | Венгрия | Unkari | Maďarsko | Magyarország | Ουγγαρία | Hongria | Ungaria | Mađarska | Macaristan | Унгария",
    ),
    "ie": (
        "3.0",
        "Ireland | Irland | Irlande | Irlanda | Ierland | アイルランド | Irlandia | 爱尔兰 | 愛爾蘭 | 아일랜드 | Ирландия | Irlanti | Irsko | Írország | Ιρλανδία | Irska",
    ),
    "igo": ("3.0", "IGO"),
    "il": (
        "1.0 2.5",
        "Israel | Israele | イスラエル | Izrael | 以色列 | 이스라엘 | Израиль | Ισραήλ | İsrail | Израел | ישראל",
    ),
    "in": (
        "2.5",
        "India | Indien | Inde | インド | Indie | 印度 | 인디아 | Индия | Intia | Ινδία | Indija | Hindistan | भारत",
    ),
    "it": (
        "2.0 2.5 3.0",
        "Italy | Italien | Italie | Italia | イタリア | Włochy | 意大利 | 義大利 | 이탈리아 | Италия | Olaszország | Ιταλία | Italija | İtalya",
    ),
    "jp": (
        "2.0 2.1",
        "Japan | Japon | Japón | Giappone | Japão | 日本 | Japonia | 일본 | Япония | Japani | Japonsko | Japán | Ιαπωνία | Japó | Japonya | Япония | Японія",
    ),
    "kr": (
        "2.0",
        "South Korea | Korea | Corea del Sur | Süd-Korea | Corée du Sud | Korea Del Sud | Coreia do Sul | Zuid Korea | 大韓民国 | Korea Południowa | 南韓 | 대한민국 | Южная Корея | Sydkorea | Sør-Korea | Corea del Sud | Güney Kore",
    ),
    "lu": (
        "3.0",
        "Luxembourg | Luxemburg | Luxemburgo | Lussemburgo | ルクセンブルグ | Luksemburg | 卢森堡 | 盧森堡 | 룩셈부르크 | Люксембург | Luxemborg | Lucembursko | Λουξεμβούργο",
    ),
    "mk": (
        "2.5",
        "Macedonia | Mazedonien | Macédoine | Macedonië | マセドニア | Makedonien | 马其顿 | 馬其頓 | Македония | Makedonia | Makedonie | Πρώην Γιουγκοσλαβική Δημοκρατία της Μακεδονίας | Makedonija | Makedonya | Македонија",
    ),
    "mt": ("2.5", "Malta | Malte | マルタ | 马耳他 | 馬爾他 | 몰타 | Мальта | Μάλτα | Малта"),
    "mx": (
        "2.5",
        "Mexico | Mexiko | Mexique | Messico | メキシコ | Meksyk | 墨西哥 | 멕시코 | Мексика | Meksiko | Μεξικό | Mèxic | Meksika | Мексико",
    ),
    "my": (
        "2.5",
        "Malaysia | Malaisie | Malasia | Malesia | Maleisië | マレーシア | Malezja | 马来西亚 | 馬來西亞 | 말레이시아 | Малайзия | Malajsie | Malajzia | Μαλαισία | Malàisia | Malaiezia | Malezija | Malezya",
    ),
    "nl": (
        "1.0 2.0 2.5 3.0",
        "Netherlands | Niederlande | Pays-Bas | Holanda | Olanda | Nederland | オランダ | Holandia | Nederländerna | 荷兰 | 荷蘭 | 네덜란드 | Нидерланды | Holland | Hollanti | Nizozemí | Hollandia | Ολλανδία | Nizozemska | Hollanda | Холандия",
    ),
    "no": (
        "3.0",
        "Norway | Norwegen | Norvège | Noruega | ノルウェー | Norwegia | Norge | 挪威 | 노르웨이 | Норвегия | Norja | Norsko | Norvégia | Νορβηγία | Norveška | Norveç",
    ),
    "nz": (
        "3.0",
        "New Zealand | Neuseeland | Nouvelle-Zélande | Nueva Zelanda | Nuova Zelanda | Nova Zelândia | Nieuw Zeeland | ニュージーランド | Nowa Zelandia | Nya Zeeland | 新西兰 | 紐西蘭 | 뉴질랜드 | Новая Зеландия | Uusi-Seelanti | Nový Zéland | Új-Zéland | Νέα Ζηλανδία | Nova Zelanda | Noua Zeelandă | Novi Zeland | Yeni Zellanda | Нова Зеландия | Нова Зеландія",
    ),
    "pe": ("2.5", "Peru | Pérou | ペルー | 秘鲁 | 秘魯 | 페루 | Перу | Περού"),
    "ph": (
        "3.0",
        "Philippines | Philippinen | Filipinas | Filippine | Filipijnen | フィリピン | Filipiny | Filippinerna | 菲律宾 | 菲律賓 | 필리핀 | Филиппины | Filippinerne | Filippinene | Filippiinit | Fülöp-szigetek | Φιλιππίνες | Filipines | Filipine | Filipini | Filipinler | Филипини",
    ),
    "pl": (
        "2.0 2.5 3.0",
        "Poland | Polen | Pologne | Polonia | ポーランド | Polska | 波兰 | 波蘭 | 폴란드 | Польша | Puola | Polsko | Lengyelország | Πολωνία | Poljska | Polonya | Полша",
    ),
    "pr": (
        "3.0",
        "Puerto Rico | Porto Rico | プエルトリコ | Portoryko | 波多黎各 | 푸에르토리코 | Пуэрто-Рико | Πουέρτο Ρίκο | Porto Riko | Пуерто Рико",
    ),
    "pt": (
        "2.5 3.0",
        "Portugal | Portogallo | ポルトガル | Portugalia | 葡萄牙 | 포르투갈 | Португалия | Portugali | Portugalsko | Πορτογαλία | Portekiz",
    ),
    "ro": (
        "3.0",
        "Romania | Rumänien | Roumanie | Rumanía | Roménia | Roemenië | ルーマニア | Rumunia | 罗马尼亚 | 羅馬尼亞 | 루마니아 | Румыния | Romænien | Rumunsko | Ρουμανία | Rumunjska | Romence | Румъния",
    ),
    "rs": (
        "3.0",
        "Serbia | Serbien | Serbie | Sérvia | Servië | セルビア | 塞尔维亚 | 塞爾維亞 | 세르비아 | Сербия | Srbsko | Szerbia | Σερβία | Srbija | Sırbistan | Сърбия | Србија",
    ),
    "scotland": (
        "2.5",
        "UK: Scotland | Scotland | Schottland | Royaume-Uni : Ecosse | Escocia | Reino Unido: Escócia | Schotland | スコットランド（英） | UK: Szkocja | UK: Skottland | 英国：苏格兰 | 英國: 蘇格蘭 | 영국 : 스코틀란드 | Великобритания: Шотландия | Skotland | Iso-Britannia: Scotland | Skotsko | UK: Skócia | Ηνωμένο Βασίλειο: Σκωτία | Marea Britanie: Scoţia | VB: Škotska | UK: İngiltere | Обединено кралство: Шотландия",
    ),
    "se": (
        "2.5",
        "Sweden | Schweden | Suède | Suecia | Zweden | スエーデン | Szwecja | Sverige | 瑞典 | 스웨덴 | Швеция | Ruotsi | Švédsko | Svédország | Σουηδία | Suedia | Švedska | İsveç",
    ),
    "sg": (
        "3.0",
        "Singapore | Singapur | Singapour | Singapura | シンガポール | 新加坡 | 싱가포르 | Сингапур | Szingapúr | Σιγκαπούρη",
    ),
    "si": (
        "2.5",
        "Slovenia | Slowenien | Slovénie | Eslovenia | スロベニア | Słowenia | Slovenien | 斯洛文尼亚 | 斯洛維尼亞 | 슬로베니아 | Словения | Slovinsko | Szlovénia | Σλοβενία | Slovenija | Slovenya",
    ),
    "th": (
        "3.0",
        "Thailand | Thailande | Tailandia | Thailandia | タイ | Tajlandia | 泰國 | 태국 | Таиланд | Thaimaa | Thajsko | Thaiföld | Ταϋλάνδη | Thailanda | Tajland | Tayland | ประเทศไทย",
    ),
    "tw": (
        "2.0 2.5 3.0",
        "Taiwan | 台湾（中華民国） | Tajwan | 台湾 | 台灣 | 대만 | Тайвань | Tchaj-van | Tajvan | Ταϊβάν | Tayvan | Тайван",
    ),
    "ug": ("3.0", "Uganda"),
    "uk": (
        "2.0",
        "UK: England & Wales | UK: England and Wales | United Kingdom | England and Wales | England & Wales | Royaume-Uni : Angleterre & Pays de Galles | Inglaterra y País de Gales | Inghilterra & Galles | Reino Unido: Inglaterra e País de Gales | Engeland & Wales | イングランド＆ウェールズ（英） | UK: Anglia i Walia | 英国：英格兰和威尔士 | 英國: 英格蘭及威爾斯 | 영국: 잉글랜드 | Англия и Уэльс | England og Wales | Englanti ja Wales | Anglie a Wales | UK: Anglia és Wales | Ηνωμένο Βασίλειο: Αγγλία & Ουαλία | Anglaterra i País de Gales | Marea Britanie: Anglia&Ţara Galilor | VB: Engleska i Wales | UK: İngiltere & Galler | Обединено кралство: Англия и Уелс",
    ),
    "us": (
        "3.0",
        "United States | United States of America | USA | Stati Uniti d'America | Vereinigte Staaten von Amerika | États-Unis | États-Unis d'Amérique | Estados Unidos de América | Stati Uniti | Estados Unidos | Verenigde Staten | アメリカ合衆国 | Stany Zjednoczone | Förenta Staterna | 美国 | 美國 | 미국 | США | USA | Yhdysvallat | Spojené státy americké | Egyesült Államok | Ηνωμένες Πολιτείες | Estats Units d'Amèrica | Statele Unite ale Americii | SAD | Birleşik Devletler | САЩ",
    ),
    "ve": ("3.0", "Venezuela"),
    "vn": (
        "3.0",
        "Vietnam | Vietname | ベトナム | wietnamski | 越南 | 베트남 | Вьетнам | Βιετνάμ | Vijetnam",
    ),
    "za": (
        "2.0 2.5 3.0",
        "South Africa | Südafrika | Afrique du Sud | Sudáfrica | África do Sul | Zuid-Afrika | 南アフリカ | Południowa Afryka | Sydafrika | 南非 | 남아프리카 공화국 | ЮАР | Suráfrica | Sør-afrika | Etelä-Afrikka | Jižní Afrika | Dél-Afrika | Νότια Αφρική | Africa de Sud | Južna Afrika | Южна Африка | Suid-Afrika",
    ),
}
"""By the code in the licence's address: its versions, and its names."""
