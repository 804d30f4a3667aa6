"""A phone made with pjsua2: plays one file, records what it hears, and says on standard output what happens.

usage: pjsua_phone.py --port N --media N --play FILE --record FILE --seconds N [--transport udp|tcp] [--dial URI]
                      [--codec PCMU/8000] [--srtp SUITE]

Without --dial it answers every call. It hangs up after that many seconds of talk, or when the other side does.
"""

import argparse
import sys
import time

import pjsua2 as pj


def say(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.player = self.recorder = None
        self.talking_since = None
        self.is_over = False

    def onCallState(self, prm):
        info = self.getInfo()
        say("state", info.stateText, info.lastStatusCode, info.lastReason)
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.talking_since = time.monotonic()
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.is_over = True

    def onCallMediaState(self, prm):
        info = self.getInfo()  # owns its media: it has to outlive the loop
        for index in range(len(info.media)):
            media = info.media[index]
            if media.type != pj.PJMEDIA_TYPE_AUDIO or self.getMedia(index) is None:
                continue
            if media.status != pj.PJSUA_CALL_MEDIA_ACTIVE or self.player:
                continue
            audio = self.getAudioMedia(index)
            self.player = pj.AudioMediaPlayer()
            self.player.createPlayer(self.phone.options.play, pj.PJMEDIA_FILE_NO_LOOP)
            self.recorder = pj.AudioMediaRecorder()
            self.recorder.createRecorder(self.phone.options.record)
            self.player.startTransmit(audio)
            audio.startTransmit(self.recorder)
            say("audio", self.getStreamInfo(index).codecName)


class Account(pj.Account):
    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onIncomingCall(self, prm):
        call = Call(self.phone, prm.callId)
        self.phone.call = call
        say("incoming", call.getInfo().remoteUri)
        answer = pj.CallOpParam()
        answer.statusCode = 180
        call.answer(answer)
        answer.statusCode = 200
        call.answer(answer)


class Phone:
    def __init__(self, options):
        self.options = options
        self.call = None

    def run(self):
        endpoint = pj.Endpoint()
        endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 3
        config.logConfig.consoleLevel = 0
        config.logConfig.filename = self.options.record + ".log"
        # Everything at the rate of the line: nothing is resampled, and silence is sent as well.
        rate = int(self.options.codec.split("/")[1])
        config.medConfig.clockRate = rate
        config.medConfig.sndClockRate = rate
        config.medConfig.noVad = True
        config.medConfig.ecTailLen = 0
        # A jitter buffer with room. It still shortens what it has waited for when its clock was late.
        config.medConfig.jbInit = 200
        config.medConfig.jbMinPre = 200
        config.medConfig.jbMaxPre = 400
        config.medConfig.jbMax = 1000
        config.uaConfig.userAgent = "pjsua2"
        endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.port = self.options.port
        transport.boundAddress = transport.publicAddress = "127.0.0.1"
        kind = pj.PJSIP_TRANSPORT_TCP if self.options.transport == "tcp" else pj.PJSIP_TRANSPORT_UDP
        endpoint.transportCreate(kind, transport)
        endpoint.libStart()
        endpoint.audDevManager().setNullDev()
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith(self.options.codec) else 0)
        account = pj.AccountConfig()
        account.idUri = "sip:pjsua@127.0.0.1:%d" % self.options.port
        account.mediaConfig.transportConfig.port = self.options.media
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        account.mediaConfig.transportConfig.publicAddress = "127.0.0.1"
        if self.options.srtp:
            # SDES with this suite and no other; keys may travel over plain SIP here.
            account.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            account.mediaConfig.srtpSecureSignaling = 0
            crypto = pj.SrtpCrypto()
            crypto.name = self.options.srtp
            account.mediaConfig.srtpOpt.cryptos.append(crypto)
            account.mediaConfig.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
        self.account = Account(self)
        self.account.create(account)
        say("ready")
        if self.options.dial:
            self.call = Call(self)
            self.call.makeCall(self.options.dial, pj.CallOpParam(True))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            endpoint.libHandleEvents(20)
            call = self.call
            if call is None:
                continue
            if call.is_over:
                break
            if call.talking_since and time.monotonic() > call.talking_since + self.options.seconds:
                call.talking_since = None
                call.hangup(pj.CallOpParam(True))
        is_over = bool(self.call and self.call.is_over)
        # The recorder writes its header when it is closed; a call must not outlive the library.
        call = self.call = None
        endpoint.libDestroy()
        say("over" if is_over else "no end")
        return 0 if is_over else 1


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--media", type=int, required=True)
    options.add_argument("--play", required=True)
    options.add_argument("--record", required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--transport", default="udp")
    options.add_argument("--dial", default="")
    options.add_argument("--codec", default="PCMU/8000")
    options.add_argument("--srtp", default="")
    sys.exit(Phone(options.parse_args()).run())


main()
