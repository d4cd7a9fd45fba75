"""What can go wrong with who acts."""

from carbon_credit.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class CredentialRefused(Unauthenticated):
    code = "credential-refused"
    en = (
        "The client id or its secret is wrong, or the credential was revoked. Check both or ask the operator."
    )
    zh = "客户端编号或密钥错误，或凭证已被吊销。请核对后重试，或联系运营方。"


class CallerSuspended(Unauthenticated):
    code = "caller-suspended"
    en = "This credential no longer works: it was revoked, or its holder is suspended or closed."
    zh = "该凭证已失效：凭证被吊销，或其持有者已停用、注销。"


class ScopeUnknown(Invalid):
    code = "scope-unknown"
    en = "The scope {scope} does not exist for this role or was not granted. Ask for one of: {granted}"
    zh = "权限范围 {scope} 对该角色不存在或未授予。可申请：{granted}"


class PartyNameTaken(Conflict):
    code = "party-name-taken"
    en = "The programme already has a {role} with this name. Choose another name."
    zh = "本项目已有同名的 {role}，请更换名称。"


class PartyNotFound(NotFound):
    code = "party-not-found"
    en = "There is no such party in this programme. Check the id."
    zh = "本项目中没有该机构，请检查编号。"


class CitizenNotFound(NotFound):
    code = "citizen-not-found"
    en = "There is no such citizen for this caller. Check the id; a partner sees only citizens it linked."
    zh = "未找到该用户。请检查编号；数据提供方只能访问由其关联的用户。"


class LinkKindUnknown(Invalid):
    code = "link-kind-unknown"
    en = "The link kind {kind} does not exist. Use one of: {kinds}"
    zh = "不存在关联类型 {kind}。可用类型：{kinds}"


class LinkValueInvalid(Invalid):
    code = "link-value-invalid"
    en = "The value of a {kind} link is empty or longer than {limit} characters."
    zh = "{kind} 关联的值为空，或超过 {limit} 个字符。"


class LinkTaken(Conflict):
    code = "link-taken"
    en = "Link {position} ({kind}) already leads to a citizen of this programme, or was given twice."
    zh = "第 {position} 个关联（{kind}）在本项目中已归属某用户，或重复提交。"


class SceneUnknown(Invalid):
    code = "scene-unknown"
    en = "A scene is 1 to 32 lower-case letters, digits and hyphens; {scene} is not."
    zh = "场景由 1 至 32 个小写字母、数字或连字符组成；{scene} 不符合。"


class SpanOverlaps(Conflict):
    code = "consent-overlaps"
    en = "It would begin before the previous one ended. It can begin at {earliest} or later."
    zh = "生效时间早于前一次的终止时间，最早可从 {earliest} 开始。"


class GivenInFuture(Invalid):
    code = "given-in-future"
    en = "A consent or mandate cannot be given in the future. Send it when it has been given."
    zh = "同意或委托的时间不能在未来，请在实际签署后提交。"


class ShareOutOfBounds(Invalid):
    code = "share-out-of-bounds"
    en = "The promised share is a whole number of percent from 0 to 100; {share_percent} is not."
    zh = "承诺的分成比例须为 0 至 100 的整数百分比；{share_percent} 不符合。"


class NothingToWithdraw(NotFound):
    code = "nothing-to-withdraw"
    en = "There is no consent or mandate in force to withdraw."
    zh = "没有可撤回的有效同意或委托。"


class FactUnknown(Invalid):
    code = "fact-unknown"
    en = "No methodology of this programme asks for {name}, so it is not kept. What is asked for: {names}"
    zh = "本项目没有方法学需要信息 {name}，不予留存。所需信息：{names}"


class FactValueWrong(Invalid):
    code = "fact-value-wrong"
    en = "The fact {name} cannot be this. It is one of, or has the form: {wanted}"
    zh = "信息 {name} 的取值不符合要求，应为或形如：{wanted}"


class SpanEmpty(Invalid):
    code = "span-empty"
    en = "The first day {from_day} is not before {to_day}, the first day on which it no longer holds."
    zh = "起始日 {from_day} 须早于失效首日 {to_day}。"


class NoMeter(Invalid):
    code = "no-meter"
    en = "Only meters have occupants; {kind} is none. Use one of: {kinds}"
    zh = "只有计量表才有住户；{kind} 不是。可用类型：{kinds}"


class OccupancyTaken(Conflict):
    code = "occupancy-taken"
    en = (
        "The meter counts for another citizen in that time, or is another partner's. Ask the operator to "
        "end that first, or choose days that are free."
    )
    zh = "该计量表在此期间已归属其他用户，或由其他数据提供方关联。请先联系运营方终止原归属，或选择空闲日期。"


class RoleCannotHold(Forbidden):
    code = "role-cannot-hold"
    en = "A party with the role {role} cannot be used here; a {needed} is needed."
    zh = "角色为 {role} 的机构不适用于此处，需要 {needed}。"


class TokenMissing(Unauthenticated):
    code = "token-missing"
    en = "This resource needs an access token: send `Authorization: Bearer <token>` from /v1/oauth/token."
    zh = "访问该资源需要令牌：请发送 `Authorization: Bearer <令牌>`，令牌由 /v1/oauth/token 签发。"


class TokenMalformed(Unauthenticated):
    code = "token-malformed"
    en = "The access token is not a JSON Web Token of this service. Get a new one at /v1/oauth/token."
    zh = "访问令牌不是本服务签发的 JWT。请在 /v1/oauth/token 重新获取。"


class TokenAlgorithmRefused(Unauthenticated):
    code = "token-algorithm-refused"
    en = "The access token is signed with an algorithm that is not accepted. Accepted: {accepted}"
    zh = "访问令牌的签名算法不被接受。可接受的算法：{accepted}"


class TokenKeyUnknown(Unauthenticated):
    code = "token-key-unknown"
    en = "The access token names a signing key that is not known here. Get a new token."
    zh = "访问令牌所指签名密钥未知。请重新获取令牌。"


class TokenSignatureWrong(Unauthenticated):
    code = "token-signature-wrong"
    en = "The signature of the access token does not fit its content. Get a new token."
    zh = "访问令牌的签名与内容不符。请重新获取令牌。"


class TokenIssuerWrong(Unauthenticated):
    code = "token-issuer-wrong"
    en = "The access token comes from another issuer. Get one at /v1/oauth/token."
    zh = "访问令牌由其他签发方签发。请在 /v1/oauth/token 获取。"


class TokenAudienceWrong(Unauthenticated):
    code = "token-audience-wrong"
    en = "The access token is meant for another service. Get one at /v1/oauth/token."
    zh = "访问令牌的受众不是本服务。请在 /v1/oauth/token 获取。"


class TokenExpired(Unauthenticated):
    code = "token-expired"
    en = "The access token has expired. Get a new one at /v1/oauth/token."
    zh = "访问令牌已过期。请在 /v1/oauth/token 重新获取。"


class TokenNotYetValid(Unauthenticated):
    code = "token-not-yet-valid"
    en = "The access token is dated in the future. Check the clocks."
    zh = "访问令牌的签发时间在未来。请检查时钟。"


class TokenClaimsWrong(Unauthenticated):
    code = "token-claims-wrong"
    en = "The access token lacks a claim or holds one that makes no sense: {claim}"
    zh = "访问令牌缺少声明或声明无效：{claim}"


class StoreNameTaken(Conflict):
    code = "store-name-taken"
    en = "This merchant already has a store with this name. Choose another name."
    zh = "该商户已有同名门店，请更换名称。"


class StoreNotFound(NotFound):
    code = "store-not-found"
    en = "There is no such store of this merchant. Take one from the list of its stores."
    zh = "该商户没有此门店。请从门店列表中选择。"


class TillNameTaken(Conflict):
    code = "till-name-taken"
    en = "This store already has a till with this name. Choose another name."
    zh = "该门店已有同名收银台，请更换名称。"


class TillNotFound(NotFound):
    code = "till-not-found"
    en = "There is no such till of this merchant. Take one from the list of its tills."
    zh = "该商户没有此收银台。请从收银台列表中选择。"


class TillSuspended(Conflict):
    code = "till-suspended"
    en = "The till or its store is suspended. Let it act again first, then issue a credential."
    zh = "该收银台或其门店已停用。请先恢复，再签发凭证。"


class DistrictInvalid(Invalid):
    code = "district-invalid"
    en = "{district} is no district. Give the six digits of its code by GB/T 2260, e.g. 440106."
    zh = "{district} 不是区县代码。请提供六位行政区划代码（GB/T 2260），例如 440106。"


class DistrictNotStated(NotFound):
    code = "district-not-stated"
    en = "You have stated no district. Do it with PUT /v1/me/district, where an offer asks for one."
    zh = "您尚未填写所在区县。如有商品要求，可通过 PUT /v1/me/district 填写。"
