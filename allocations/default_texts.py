"""What a new installation begins with: programmes, and texts people agree to, in both languages.

They follow the Personal Information Protection Act (개인정보 보호법): purpose, items, period and the right to refuse in
each, the required apart from the optional, provision to others apart (articles 15, 17, 22). The office reads them over
and writes its own versions.
"""
# ruff: noqa: E501  (prose)

from __future__ import annotations

from allocations.models import ConsentText
from allocations.services.texts import ConsentWords

PROGRAMMES = [
    ("스마트팩토리", "Smart factory"),
    ("제조 DX", "Manufacturing DX"),
    ("이차전지", "Secondary batteries"),
    ("바이오", "Bio and health"),
    ("철강", "Steel"),
    ("교육", "Education"),
    ("기타", "Other"),
]

APPLICATION, AGREEMENT, REVIEWER = (
    ConsentText.Stage.APPLICATION,
    ConsentText.Stage.AGREEMENT,
    ConsentText.Stage.REVIEWER,
)

TERMS = ConsentWords(
    stage=APPLICATION,
    position=10,
    title_ko="이용약관 동의",
    title_en="Terms of use",
    text_ko="""제1조(목적) 이 약관은 포항 AI가속기 센터(이하 “센터”)가 제공하는 GPU 자원의 신청·배정·이용에 관하여 센터와 이용자의 권리와 의무를 정합니다.

제2조(이용 신청) 이용자는 공고에서 정한 방법과 기한에 따라 사실에 근거하여 신청하여야 합니다. 신청 내용이 사실과 다른 것으로 확인되면 선정이 취소되거나 배정이 회수될 수 있습니다.

제3조(자원의 이용) 배정된 자원은 승인된 과제의 수행을 위해서만 사용하며, 타인에게 양도하거나 대여할 수 없습니다. 이용자는 클러스터 사용자 이름과 인증 정보를 본인만 사용하여야 합니다.

제4조(이용의 제한) 센터는 설비의 점검이나 장애, 보안상의 필요가 있거나 이용자가 이 약관을 위반한 경우 이용을 제한할 수 있으며, 그 사유를 이용자에게 알립니다.

제5조(자료의 보관) 이용자는 자신의 자료를 스스로 백업하여야 합니다. 배정이 종료된 뒤의 자료 보관 기간은 협약에서 정합니다.

제6조(결과보고) 연구책임자는 배정 종료 후 30일 이내에 결과보고서를 제출하고, 성과에 센터의 지원 사실(사사)을 표기합니다.

제7조(책임의 범위) 센터는 천재지변, 정전, 설비 장애 등 불가피한 사유로 인한 작업의 중단이나 자료의 손실에 대하여 고의 또는 중대한 과실이 없는 한 책임을 지지 않습니다.

제8조(약관의 변경) 센터가 이 약관을 변경할 때에는 시행 전에 변경 내용과 시행일을 포털에 공지하며, 변경된 약관에 대하여 다시 동의를 받습니다.""",
    text_en="""Article 1 (Purpose) These terms set out the rights and duties of the Pohang AI Accelerator Center ("the center") and its users in applying for, being granted and using GPU resources.

Article 2 (Application) Users apply truthfully, in the way and by the time that the call says. Where an application turns out to be untrue, the selection may be cancelled or the grant withdrawn.

Article 3 (Use) Granted resources are used for the approved project only, and are neither passed on nor lent. A cluster user name and what one signs in with are for one person only.

Article 4 (Restriction) The center may restrict use for maintenance, faults or security, or where these terms are broken, and tells the user why.

Article 5 (Data) Users back up their own data. How long data is kept after the grant is set in the agreement.

Article 6 (Report) The PI hands in a final report within 30 days after the grant ends, and acknowledges the center's support in publications.

Article 7 (Liability) The center is not liable for interrupted jobs or lost data caused by force majeure, power cuts or faults of equipment, save for intent or gross negligence.

Article 8 (Changes) Before changed terms take effect the center announces on the portal what changes and from when, and asks users to agree again.""",
)

PERSONAL_DATA = ConsentWords(
    stage=APPLICATION,
    position=20,
    title_ko="개인정보 수집·이용 동의",
    title_en="Collection and use of personal data",
    text_ko="""포항 AI가속기 센터는 「개인정보 보호법」 제15조에 따라 다음과 같이 개인정보를 수집·이용합니다.

1. 수집·이용 목적: GPU 자원 신청의 접수와 자격 확인, 심사, 결과 통보, 협약 체결, 자원 배정과 사용 관리, 문의 응대

2. 수집 항목: 성명, 영문 성명, 소속기관, 부서, 이메일 주소, 클러스터 사용자 이름, 과제 담당자(대리인)와 참여연구원의 성명·이메일 주소, 신청서와 첨부 서류에 적은 정보, 포털 및 클러스터의 접속·사용 기록. 기업의 경우 대표자 성명, 사업자등록번호, 사업장 소재지
주민등록번호 등 고유식별정보와 민감정보는 수집하지 않습니다. 신청서와 첨부 서류에 적지 마십시오.

3. 보유·이용 기간: 선정된 과제는 배정 종료 후 5년, 선정되지 않았거나 철회된 신청은 결과 통보일 또는 철회일부터 1년. 기간이 지나면 지체 없이 파기합니다.

4. 동의를 거부할 권리와 불이익: 동의를 거부할 수 있습니다. 다만 위 항목은 신청과 심사에 꼭 필요하므로, 동의하지 않으면 신청할 수 없습니다.

신청자는 과제 담당자와 참여연구원의 개인정보를 적기 전에 위 내용을 본인에게 알리고 동의를 받아야 합니다.""",
    text_en="""Under article 15 of the Personal Information Protection Act the Pohang AI Accelerator Center collects and uses personal data as follows.

1. Purpose: receiving applications for GPU resources and checking eligibility, review, telling the result, making the agreement, granting resources and managing their use, answering questions

2. Items: name, name in English, institution, department, e-mail address, cluster user name, names and e-mail addresses of the delegate and the members, what the application and its attachments say, records of access to and use of the portal and the cluster; for firms also the representative's name, business registration number and place of business
Resident registration numbers and other unique identifiers, and sensitive data, are not collected: do not write them into the application or its attachments.

3. Period: for selected projects 5 years after the grant ends; for applications not selected or withdrawn 1 year from the notice or withdrawal. After that the data is destroyed without delay.

4. Right to refuse, and consequence: you may refuse. As these items are needed to apply and to review, you cannot apply without agreeing.

Before you write down the data of the delegate and the members, tell them the above and have them agree.""",
)

PROVISION = ConsentWords(
    stage=APPLICATION,
    position=30,
    title_ko="개인정보 제3자 제공 동의",
    title_en="Provision of personal data to others",
    text_ko="""포항 AI가속기 센터는 「개인정보 보호법」 제17조에 따라 다음과 같이 개인정보를 제3자에게 제공합니다.

1. 제공받는 자: (가) 센터가 위촉한 심사위원과 선정위원 (나) 포항시

2. 제공받는 자의 이용 목적: (가) 신청서의 심사와 선정 심의 (나) 지원 사업의 관리·감독과 성과 확인

3. 제공하는 항목: (가) 성명, 소속, 신청서와 첨부 서류의 내용. 블라인드 심사에서는 성명과 소속을 제공하지 않습니다. (나) 연구책임자의 성명, 소속, 과제명(비공개 과제는 제외), 배정량과 사용량

4. 제공받는 자의 보유·이용 기간: (가) 선정 절차 종료 시까지 (나) 배정 종료 후 5년

5. 동의를 거부할 권리와 불이익: 동의를 거부할 수 있습니다. 다만 심사와 사업 관리에 꼭 필요하므로, 동의하지 않으면 심사를 진행할 수 없어 신청이 제한됩니다.""",
    text_en="""Under article 17 of the Personal Information Protection Act the Pohang AI Accelerator Center provides personal data to others as follows.

1. Recipients: (a) reviewers and members of the panel appointed by the center (b) the City of Pohang

2. Their purpose: (a) reviewing applications and deciding on them (b) supervising the programme and seeing what came of it

3. Items: (a) name, institution, the application and its attachments; in blind review neither name nor institution (b) the PI's name and institution, the project's title (unless confidential), what was granted and used

4. Period: (a) until the selection is over (b) 5 years after the grant ends

5. Right to refuse, and consequence: you may refuse. As review and supervision need it, the application cannot be reviewed without your agreeing.""",
)

OFF_PURPOSE = ConsentWords(
    stage=APPLICATION,
    position=40,
    title_ko="목적 외 사용 금지 서약",
    title_en="Pledge against use for other purposes",
    text_ko="""본인은 배정받은 자원을 승인된 과제의 목적으로만 사용하며, 다음 행위를 하지 않을 것을 서약합니다.

1. 가상자산 채굴 및 이에 준하는 행위
2. 배정받은 자원의 재판매, 대여 또는 제3자를 위한 사용
3. 승인되지 않은 영리 서비스의 운영
4. 다른 시스템에 대한 침입 시도, 불법 자료의 저장·배포 등 법령을 위반하는 행위

위반이 확인되면 배정이 즉시 정지되거나 회수되고 이후 신청이 제한될 수 있음을 확인하고 이에 동의합니다.""",
    text_en="""I will use the granted resources for the approved project only. In particular I will not

1. mine virtual assets or do anything of that kind,
2. resell or lend the resources or use them for others,
3. run commercial services that were not approved,
4. try to break into other systems, store or spread unlawful material, or break the law in any other way.

I agree that the grant may be stopped and withdrawn at once, and later applications restricted, where this is broken.""",
)

SECURITY = ConsentWords(
    stage=APPLICATION,
    position=50,
    title_ko="보안서약",
    title_en="Security pledge",
    text_ko="""본인은 센터의 자원을 이용하면서 다음 사항을 지킬 것을 서약합니다.

1. 비밀번호와 비밀키를 다른 사람과 공유하지 않으며, 유출이 의심되면 지체 없이 센터에 알립니다.
2. 개인정보, 의료정보, 국가핵심기술, 전략물자에 해당하는 자료는 관련 법령과 소속기관의 절차를 마친 뒤에만 센터에 저장합니다.
3. 우연히 알게 된 다른 이용자의 자료와 센터의 보안 사항을 외부에 알리지 않습니다.
4. 보안 취약점을 발견하면 이용하지 않고 센터에 알립니다.""",
    text_en="""While using the center's resources,

1. I will not share passwords or private keys, and will tell the center at once where they may have leaked.
2. I will store personal or medical data, national core technology and strategic goods at the center only after the procedures that the law and my institution ask for.
3. I will not tell others what I come to know by chance of other users' data or the center's security.
4. I will not use a security weakness that I find, but tell the center.""",
)

NEWS = ConsentWords(
    stage=APPLICATION,
    position=60,
    required=False,
    title_ko="공고·교육·행사 안내 수신 동의",
    title_en="News of calls, courses and events",
    text_ko="""이 동의는 선택 사항입니다. 포항 AI가속기 센터는 「개인정보 보호법」 제15조와 제22조에 따라 다음과 같이 개인정보를 이용합니다.

1. 이용 목적: 새로운 공고, 교육, 설명회와 행사 안내의 발송
2. 이용 항목: 성명, 이메일 주소, 소속기관
3. 보유·이용 기간: 동의를 철회할 때까지
4. 동의를 거부할 권리: 동의하지 않아도 신청과 심사, 자원 이용에 아무런 불이익이 없습니다. 동의는 언제든지 철회할 수 있습니다.""",
    text_en="""This is optional. Under articles 15 and 22 of the Personal Information Protection Act the Pohang AI Accelerator Center uses personal data as follows.

1. Purpose: sending news of new calls, courses, information meetings and events
2. Items: name, e-mail address, institution
3. Period: until you withdraw your agreement
4. Right to refuse: without agreeing you have no disadvantage in applying, in review or in using resources. You can withdraw your agreement at any time.""",
)

CONTRACT = ConsentWords(
    stage=AGREEMENT,
    position=10,
    title_ko="GPU 자원 이용 협약",
    title_en="Agreement on the use of GPU resources",
    text_ko="""포항 AI가속기 센터(이하 “센터”)와 연구책임자는 선정된 과제의 GPU 자원 이용에 관하여 다음과 같이 협약합니다.

1. (배정) 센터는 선정 결과에서 정한 GPU시간과 사용기간을 과제에 배정합니다. 사용기간이 끝나면 남은 GPU시간은 소멸합니다.
2. (수행) 연구책임자는 신청서의 계획과 선정 조건에 따라 과제를 수행하고, 참여연구원이 이용약관과 보안서약을 지키도록 관리합니다.
3. (과제 담당자) 연구책임자가 과제를 계속할 수 없게 되면 연구책임자가 지정한 과제 담당자(대리인)가 그 역할을 이어받습니다.
4. (변경) 추가배정, 기간연장, 풀 간 전용, 연구책임자 변경은 센터의 승인을 받습니다.
5. (사용 현황) 센터는 사용량을 집계하여 연구책임자에게 공개하며, 사용이 저조하면 협의를 거쳐 배정의 일부를 회수할 수 있습니다.
6. (결과보고) 연구책임자는 배정 종료 후 30일 이내에 결과보고서를 제출합니다. 제출하지 않으면 새로운 신청이 제한됩니다.
7. (사사) 성과를 발표할 때 센터의 지원 사실을 표기합니다.
8. (자료) 센터는 배정 종료 후 90일 동안 과제의 자료를 보관한 뒤 삭제할 수 있습니다.
9. (성과의 귀속) 과제에서 얻은 성과와 자료에 관한 권리는 연구책임자와 그 소속기관에 있으며, 센터는 이에 대한 권리를 주장하지 않습니다.
10. (비밀유지) 센터는 과제를 지원하면서 알게 된 연구 내용과 영업 비밀을 연구책임자의 동의 없이 외부에 공개하지 않습니다.
11. (해지) 허위 신청, 목적 외 사용, 보안 위반이 확인되면 센터는 소명 기회를 준 뒤 협약을 해지하고 배정을 회수할 수 있습니다.""",
    text_en="""The Pohang AI Accelerator Center ("the center") and the PI agree on the use of GPU resources for the selected project as follows.

1. (Grant) The center grants the project the GPU time and the period that the decision names. What is left at the end of the period lapses.
2. (Conduct) The PI carries the project out as applied for and under the conditions of the decision, and sees to it that members keep the terms of use and the security pledge.
3. (Delegate) Where the PI cannot go on, the named delegate takes over.
4. (Changes) Supplement, extension, transfer between pools and change of PI need the center's approval.
5. (Use) The center counts what is used and shows it to the PI; where little is used, part of the grant may be taken back after talking it over.
6. (Report) The PI hands in a final report within 30 days after the grant ends. Without it new applications are restricted.
7. (Acknowledgement) Publications acknowledge the center's support.
8. (Data) The center keeps the project's data for 90 days after the grant ends, and may then delete it.
9. (Results) Rights in the results and the data of the project belong to the PI and the PI's institution; the center claims none.
10. (Confidentiality) The center does not disclose what it comes to know of the research or of trade secrets without the PI's consent.
11. (Termination) Where an untrue application, use for other purposes or a breach of security is found, the center may, after hearing the PI, end the agreement and withdraw the grant.""",
)

CONFIDENTIALITY = ConsentWords(
    stage=REVIEWER,
    position=10,
    title_ko="심사위원 비밀유지·공정심사 서약",
    title_en="Reviewers' pledge of confidentiality and fairness",
    text_ko="""본인은 포항 AI가속기 센터의 심사위원으로서 다음 사항을 지킬 것을 서약합니다. 이 서약은 서약한 해의 12월 31일까지 심사에 적용되며, 비밀을 지킬 의무는 심사가 끝난 뒤에도 계속됩니다.

1. 심사 과정에서 알게 된 신청 내용, 심사 의견과 결과를 외부에 누설하거나 본인 또는 제3자를 위하여 이용하지 않습니다.
2. 신청서와 첨부 서류를 복제하거나 보관하지 않으며, 생성형 AI 등 외부 서비스에 입력하지 않습니다.
3. 신청자와 이해관계(같은 기관 소속, 공동 과제, 사제·친족 관계, 금전적 관계 등)가 있는 과제는 스스로 회피합니다.
4. 공고에 정한 기준에 따라 공정하게 평가하며, 부당한 청탁을 받으면 센터에 알립니다.
5. 블라인드 심사에서는 신청자가 누구인지 알아내려고 하지 않습니다.

이를 위반하면 심사위원에서 해촉될 수 있으며 관련 법령에 따른 책임을 집니다.""",
    text_en="""As a reviewer of the Pohang AI Accelerator Center I pledge the following. It holds for reviews until 31 December of this year; the duty to keep secret what I learn goes on after that.

1. I will not disclose what I come to know of applications, opinions and results, nor use it for myself or others.
2. I will not copy or keep applications and attachments, nor enter them into outside services such as generative AI.
3. I will stand back where I have an interest: same institution, shared projects, teacher or student, family, money.
4. I will judge fairly by the criteria of the call, and tell the center of improper requests.
5. In blind review I will not try to find out who applies.

Where I break this, I may be dismissed as a reviewer and answer for it under the law.""",
)

CONSENTS = {
    "terms": TERMS,
    "personal-data": PERSONAL_DATA,
    "provision": PROVISION,
    "off-purpose": OFF_PURPOSE,
    "security": SECURITY,
    "news": NEWS,
    "agreement": CONTRACT,
    "confidentiality": CONFIDENTIALITY,
}
