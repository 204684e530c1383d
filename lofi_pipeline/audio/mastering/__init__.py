"""What is done to the sound of a track before it is encoded: trimming, cutting, loudness, true peaks.

Reading and writing of files is in io/, measurements for tags and quality in analysis/.
"""
